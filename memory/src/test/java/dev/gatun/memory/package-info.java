/** Tests of off-heap tensors and their plan. */
@NullMarked
package dev.gatun.memory;

import org.jspecify.annotations.NullMarked;
