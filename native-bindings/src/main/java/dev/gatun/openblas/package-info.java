/**
 * Single-precision BLAS on off-heap memory. {@link dev.gatun.openblas.OpenBlasLibrary} finds and loads the native library
 * and hands out the one {@link dev.gatun.openblas.Blas} of the class loader, whose methods check every size against the
 * memory they are given and then call the bindings that jextract printed.
 */
@NullMarked
package dev.gatun.openblas;

import org.jspecify.annotations.NullMarked;
