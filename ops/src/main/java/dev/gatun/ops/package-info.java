/**
 * The operators of the Transformer over F32 tensors: {@link dev.gatun.ops.Ops} checks shapes and dispatches, a {@link
 * dev.gatun.ops.Backend} says who computes: matrix products by OpenBLAS, Vector API kernels or plain Java, rows (softmax,
 * norms, activations, positions) by Vector API kernels or plain Java.
 *
 * <p>The vector and the scalar backend give the same bits, at any number of threads, batch size, padding and vector width;
 * OpenBLAS gives the same numbers within rounding.
 */
@NullMarked
package dev.gatun.ops;

import org.jspecify.annotations.NullMarked;
