/**
 * Off-heap tensors: what a number is ({@link dev.gatun.memory.DType}), how many there are ({@link dev.gatun.memory.Shape}),
 * where they lie ({@link dev.gatun.memory.Tensor}), and how much memory a run will take before any is taken ({@link
 * dev.gatun.memory.MemoryPlan}, {@link dev.gatun.memory.Workspace}).
 *
 * <p>Nothing here owns memory. Whoever opens the {@link java.lang.foreign.Arena} closes it; a tensor used after that throws
 * {@link IllegalStateException}, from any thread.
 */
@NullMarked
package dev.gatun.memory;

import org.jspecify.annotations.NullMarked;
