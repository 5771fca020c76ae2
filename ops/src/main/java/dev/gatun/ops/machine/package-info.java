/**
 * Machine code that Java writes: an assembler for the x86-64 instructions that the kernels need, memory to run them from, and the
 * kernels. The Vector API has no dot products of bytes, its register allocation costs a third of the FMA peak, and its kernels
 * are slow until C2 has compiled them; these run at full speed from the first call.
 *
 * <p>Encodings are those of the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 */
@NullMarked
package dev.gatun.ops.machine;

import org.jspecify.annotations.NullMarked;
