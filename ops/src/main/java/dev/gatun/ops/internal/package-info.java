/**
 * The kernels behind {@link dev.gatun.ops.Ops}, two axes of them: {@code ...MatMul} and {@code ...Rows}. Not exported. Callers
 * have checked every shape; kernels only {@code assert}. Offsets and strides are in bytes, sizes in elements.
 *
 * <p>One result: every output element of a product is one chain of fused multiply-adds in ascending k. A row reduction is 16
 * partial sums, element i going to partial i mod 16 in ascending order, folded by halves (8, 4, 2, 1). exp, erf and tanh are the
 * polynomials of one class. So vector and scalar agree to the bit whatever the vector width, and tests compare bits.
 */
@NullMarked
package dev.gatun.ops.internal;

import org.jspecify.annotations.NullMarked;
