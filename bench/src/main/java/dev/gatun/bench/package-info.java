/**
 * Benchmarks of the operators and of whole models. JMH runs each in JVMs of its own, since two backends behind one
 * interface would else share one profile.
 */
@NullMarked
package dev.gatun.bench;

import org.jspecify.annotations.NullMarked;
