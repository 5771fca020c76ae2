package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.BYTES;
import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.INTS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.Species.ORDER;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.RowFormat;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Rows of a tile as floats: what {@link RowFormat#read} gives, by vectors, where there are bytes and shorts of as many lanes. */
final class RowDecoder {
    /** Floats that are written beyond a row's end at most: a block's. */
    static final int SLACK = 32;

    private static final boolean WIDE = LANES >= 8;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(WIDE ? LANES * Short.SIZE : 64));
    private static final VectorSpecies<Byte> CODES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(WIDE ? LANES * Byte.SIZE : 64));

    /** Of a binary16 whose bits stand 13 further left, what is missing to the exponent of a binary32. */
    private static final float EXPONENT_16 = 0x1p112f;

    private static final int BLOCK = BlockFormat.Q8_0.blockSize();
    private static final long BLOCK_BYTES = BlockFormat.Q8_0.blockBytes();

    private RowDecoder() {}

    /**
     * Writes rows one after another, {@code d} floats each, and up to {@link #SLACK} more floats behind the last.
     *
     * @param rowsAt byte offsets of the rows in {@code from}; those of the floats in {@code to} afterwards
     */
    static void decode(
            RowFormat format, MemorySegment from, long[] rowsAt, int rows, int d, MemorySegment to, long toAt) {
        long rowBytes = d * (long) Float.BYTES;
        for (int i = 0; i < rows; i++) {
            long at = toAt + i * rowBytes;
            if (!WIDE) {
                format.read(from, rowsAt[i], d, to, at);
            } else if (format == RowFormat.Q8_0) {
                blocks(OffHeap.of(from), rowsAt[i], d, OffHeap.of(to), at);
            } else {
                int whole = d / LANES * LANES;
                if (format == RowFormat.BF16) {
                    upperHalves(OffHeap.of(from), rowsAt[i], whole, OffHeap.of(to), at);
                } else {
                    halves(OffHeap.of(from), rowsAt[i], whole, OffHeap.of(to), at);
                }
                long read = whole * (long) Short.BYTES;
                format.read(from, rowsAt[i] + read, d - whole, to, at + 2 * read);
            }
            rowsAt[i] = at;
        }
    }

    private static void upperHalves(MemorySegment from, long fromAt, int d, MemorySegment to, long toAt) {
        for (int i = 0; i < d; i += LANES) {
            IntVector bits =
                    (IntVector) ShortVector.fromMemorySegment(SHORTS, from, fromAt + i * (long) Short.BYTES, ORDER)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            bits.lanewise(VectorOperators.LSHL, 16)
                    .reinterpretAsFloats()
                    .intoMemorySegment(to, toAt + i * (long) Float.BYTES, ORDER);
        }
    }

    private static void halves(MemorySegment from, long fromAt, int d, MemorySegment to, long toAt) {
        for (int i = 0; i < d; i += LANES) {
            IntVector bits =
                    (IntVector) ShortVector.fromMemorySegment(SHORTS, from, fromAt + i * (long) Short.BYTES, ORDER)
                            .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            FloatVector magnitude = bits.and(0x7FFF)
                    .lanewise(VectorOperators.LSHL, 13)
                    .reinterpretAsFloats()
                    .mul(EXPONENT_16); // exact, of numbers without an exponent as well
            IntVector exponent = IntVector.zero(INTS)
                    .blend(0x7F800000, bits.and(0x7C00).compare(VectorOperators.EQ, 0x7C00)); // infinite or NaN
            bits.and(0x8000)
                    .lanewise(VectorOperators.LSHL, 16)
                    .or(magnitude.reinterpretAsInts())
                    .or(exponent)
                    .reinterpretAsFloats()
                    .intoMemorySegment(to, toAt + i * (long) Float.BYTES, ORDER);
        }
    }

    private static void blocks(MemorySegment from, long fromAt, int d, MemorySegment to, long toAt) {
        long at = fromAt;
        for (int first = 0; first < d; first += BLOCK, at += BLOCK_BYTES) {
            FloatVector scale = FloatVector.broadcast(FLOATS, RowFormat.scale(from, at));
            long block = toAt + first * (long) Float.BYTES;
            for (int i = 0; i < BLOCK; i += LANES) {
                ByteVector codes = ByteVector.fromMemorySegment(CODES, from, at + Short.BYTES + i, ORDER);
                ((FloatVector) codes.convertShape(VectorOperators.B2F, FLOATS, 0))
                        .mul(scale)
                        .intoMemorySegment(to, block + i / LANES * BYTES, ORDER);
            }
        }
    }
}
