package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.VectorWidth.BYTES;
import static dev.gatun.ops.internal.VectorWidth.LANES;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedBlock;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.machine.BlockPacking;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Brings weights into a {@link CompressedLayout}. */
final class Compression {
    private Compression() {}

    static boolean is16Bit(Tensor weight) {
        return weight.dtype() == DType.BF16 || weight.dtype() == DType.F16;
    }

    private static CompressedLayout layout(Tensor weight) {
        return weight.dtype() == DType.BF16 ? CompressedLayout.BF16 : CompressedLayout.F16;
    }

    /** Bytes of a weight of 16-bit floats. */
    static long byteSize(Tensor weight) {
        return byteSize(layout(weight), weight.dim(0), weight.dim(1));
    }

    static long byteSize(QuantizedMatrix weight) {
        return byteSize(CompressedLayout.of(weight.format()), weight.n(), weight.k());
    }

    private static long byteSize(CompressedLayout layout, int n, int k) {
        return (n + LANES - 1L) / LANES * layout.columnBytes(k);
    }

    /** Packs a weight of 16-bit floats; after an odd k comes a weight of -0. */
    static CompressedWeight pack(Tensor weight, Arena arena) {
        CompressedLayout layout = layout(weight);
        int n = weight.dim(0);
        int k = weight.dim(1);
        MemorySegment to = arena.allocate(byteSize(weight), Tensor.ALIGNMENT);
        MemorySegment from = weight.segment();
        long step = weight.stride(1) * Short.BYTES;
        for (int row = 0; row < n; row++) {
            long source = row * weight.stride(0) * Short.BYTES;
            long target = row / LANES * layout.columnBytes(k) + row % LANES * (long) Integer.BYTES;
            for (int i = 0; i < k; i++) {
                short bits = from.get(JAVA_SHORT_UNALIGNED, source + i * step);
                to.set(JAVA_SHORT, target + i / 2 * BYTES + i % 2 * (long) Short.BYTES, bits);
            }
            if (k % 2 == 1) {
                to.set(JAVA_SHORT, target + k / 2 * BYTES + Short.BYTES, Short.MIN_VALUE);
            }
        }
        return new CompressedWeight(to, layout, n, k);
    }

    static CompressedWeight pack(QuantizedMatrix weight, Arena arena) {
        CompressedLayout layout = CompressedLayout.of(weight.format());
        BlockFormat format = weight.format();
        MemorySegment to = arena.allocate(byteSize(weight), Tensor.ALIGNMENT);
        QuantizedBlock block = new QuantizedBlock();
        long columnBytes = layout.columnBytes(weight.k());
        int groups = format.blockSize() / format.groupSize();
        long groupBytes = layout.groupVectors() * BYTES;
        for (int row = 0; row < weight.n(); row++) {
            long target = row / LANES * columnBytes + row % LANES * (long) Integer.BYTES;
            for (int i = 0; i < weight.k() / format.blockSize(); i++) {
                weight.read(row, i, block);
                for (int group = 0; group < groups; group++) {
                    pack(block, group, layout, to, target);
                    target += groupBytes;
                }
            }
        }
        return new CompressedWeight(to, layout, weight.n(), weight.k());
    }

    /** The same by machine code. */
    static CompressedWeight pack(QuantizedMatrix weight, BlockPacking.Source source, BlockPacking code, Arena arena) {
        CompressedLayout layout = CompressedLayout.of(weight.format());
        int blocks = weight.k() / BlockPacking.BLOCK;
        long rowBytes = weight.format().rowByteSize(weight.k());
        long columnBytes = layout.columnBytes(weight.k());
        MemorySegment to = arena.allocate(byteSize(weight), Tensor.ALIGNMENT);
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment parameters = temporary.allocate(BlockPacking.PARAMETER_BYTES, Tensor.ALIGNMENT);
            for (int row = 0; row < weight.n(); row += BlockPacking.ROWS) {
                int rows = Math.min(BlockPacking.ROWS, weight.n() - row);
                long column = row / BlockPacking.ROWS * columnBytes;
                code.pack(parameters, source, rows, blocks, weight.segment(), row * rowBytes, to, column);
            }
        }
        return new CompressedWeight(to, layout, weight.n(), weight.k());
    }

    /** One group of one feature. */
    private static void pack(QuantizedBlock block, int group, CompressedLayout layout, MemorySegment to, long target) {
        int first = group * layout.group();
        long at = target;
        to.set(JAVA_INT, at, Float.floatToRawIntBits(block.scale(group)));
        at += BYTES;
        if (layout.hasMin()) {
            to.set(JAVA_INT, at, Float.floatToRawIntBits(block.min(group)));
            at += BYTES;
        }
        int highBits = layout.highBits();
        if (highBits > 0) {
            int high = 0;
            for (int i = 0; i < layout.group(); i++) {
                high |= block.code(first + i) >> 4 << i * highBits;
            }
            to.set(JAVA_INT, at, high);
            at += BYTES;
        }
        boolean bytes = layout == CompressedLayout.BITS_8;
        int perInt = bytes ? 4 : 8;
        for (int i = 0; i < layout.group(); i += perInt, at += BYTES) {
            int codes = 0;
            for (int j = 0; j < perInt; j++) {
                int code = block.code(first + i + j);
                codes |= bytes
                        ? Integer.rotateLeft(code + 128 & 0xFF, 4 + 8 * j)
                        : Integer.rotateLeft(code & 0xF, 8 + 4 * j);
            }
            to.set(JAVA_INT, at, codes);
        }
    }
}
