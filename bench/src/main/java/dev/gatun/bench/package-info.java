/**
 * Benchmarks of the operators and of whole models, and the report that compares backends with the limits of the machine.
 *
 * <p>{@link dev.gatun.bench.Op} says what is computed, a {@link dev.gatun.bench.Library} computes it, an
 * {@link dev.gatun.bench.Engine} times a library, and {@link dev.gatun.bench.Comparison} has engines take turns. Each engine
 * is a JVM of its own, as with JMH: two backends behind one interface would else share one profile, and a class loader has one
 * BLAS. {@link dev.gatun.bench.Main} is what the launcher starts.
 */
@NullMarked
package dev.gatun.bench;

import org.jspecify.annotations.NullMarked;
