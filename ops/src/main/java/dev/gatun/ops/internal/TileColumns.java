package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.TileShape.WIDTH;
import static dev.gatun.ops.internal.TileShape.WIDTH_BYTES;
import static dev.gatun.ops.internal.VectorWidth.LANES;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The columns of a unit of {@link VectorAttention}: queries become them at its start, and they the rows of the result at its end. */
final class TileColumns {
    private static final long[] BLOCK_ROWS = TileShape.rows(WIDTH_BYTES);
    private static final long[] SQUARE_ROWS = TileShape.rows(VectorWidth.BYTES);

    private TileColumns() {}

    /** Columns at the start: queries, what they see, and that nothing has been seen. */
    static void open(
            AttentionCall call,
            int b,
            int kvHead,
            int first,
            int columns,
            TileScratch s,
            @Nullable MachineTiles machine) {
        int dK = call.dK;
        int all = (columns + LANES - 1) / LANES * LANES;
        fill(s, machine, s.max, all * (long) Float.BYTES, Float.NEGATIVE_INFINITY);
        fill(s, machine, s.sum, all * (long) Float.BYTES, 0f);
        find(call, b, kvHead, first, columns, all, s);
        for (int column = 0; column < all; column++) {
            s.memory.set(JAVA_INT_UNALIGNED, s.lows + column * (long) Integer.BYTES, s.low[column]);
            s.memory.set(JAVA_INT_UNALIGNED, s.highs + column * (long) Integer.BYTES, s.high[column]);
        }
        for (int column = 0; column < all; column += LANES) {
            long to = s.q + block(column, dK);
            if (machine != null && machine.hasTileCode() && dK % LANES == 0) {
                machine.fromRows(call, dK, s.qRow, column, to);
            } else {
                fromRows(call, column, to, s);
            }
        }
    }

    /** What columns see, and where their queries and results are; those beyond {@code columns} repeat the last. */
    static void find(AttentionCall call, int b, int kvHead, int first, int columns, int all, TileScratch s) {
        int i = first / call.group;
        int head = first % call.group;
        for (int column = 0; column < all; column++) {
            s.low[column] = call.low(b, i);
            s.high[column] = call.high(b, i);
            s.qRow[column] = call.at(call.q, b, kvHead * call.group + head, i);
            s.outRow[column] = call.at(call.out, b, kvHead * call.group + head, i);
            if (column < columns - 1 && ++head == call.group) {
                head = 0;
                i++;
            }
        }
    }

    private static void fromRows(AttentionCall call, int column, long to, TileScratch s) {
        MemorySegment q = call.q.segment;
        int whole = call.dK / LANES * LANES;
        System.arraycopy(s.qRow, column, s.rows, 0, LANES);
        for (int d = 0; d < whole; d += LANES) {
            long at = d * (long) Float.BYTES;
            long rows = to + d * WIDTH_BYTES;
            TileTranspose.transpose(q, at, s.rows, call.scale, s.memory, s.square, s.memory, rows, BLOCK_ROWS);
        }
        for (int d = whole; d < call.dK; d++) {
            for (int lane = 0; lane < LANES; lane++) {
                float value = q.get(JAVA_FLOAT_UNALIGNED, s.rows[lane] + d * (long) Float.BYTES) * call.scale;
                s.memory.set(JAVA_FLOAT_UNALIGNED, to + d * WIDTH_BYTES + lane * (long) Float.BYTES, value);
            }
        }
    }

    /** Byte offset of a vector of columns in the first of a matrix's {@code rows} rows. */
    static long block(int column, int rows) {
        return column / WIDTH * WIDTH_BYTES * rows + column % WIDTH * (long) Float.BYTES;
    }

    /** Columns at the end: the context divided by the sum; zeros if no key was seen. */
    static void close(AttentionCall call, int columns, int paddedV, TileScratch s, @Nullable MachineTiles machine) {
        for (int column = 0; column < columns; column += LANES) {
            long from = s.context + block(column, paddedV);
            long sums = s.sum + column * (long) Float.BYTES;
            if (machine != null && machine.hasTileCode() && call.dV % LANES == 0) {
                // Columns beyond the last one have its row, where the first of them to have a row is what remains.
                machine.toRows(call, call.dV, from, sums, s.outRow, column);
            } else {
                TileSoftmax.divide(s.memory, from, call.dV, sums);
                toRows(call, column, Math.min(LANES, columns - column), from, s);
            }
        }
    }

    private static void toRows(AttentionCall call, int column, int lanes, long from, TileScratch s) {
        MemorySegment out = call.out.segment;
        int whole = call.dV / LANES * LANES;
        System.arraycopy(s.outRow, column, s.rows, 0, LANES);
        for (int d = 0; d < whole; d += LANES) {
            long rows = from + d * WIDTH_BYTES;
            long at = d * (long) Float.BYTES;
            if (lanes == LANES) {
                TileTranspose.transpose(s.memory, rows, BLOCK_ROWS, 1f, s.memory, s.square, out, at, s.rows);
                continue;
            }
            long square = s.otherSquare;
            TileTranspose.transpose(s.memory, rows, BLOCK_ROWS, 1f, s.memory, s.square, s.memory, square, SQUARE_ROWS);
            for (int lane = 0; lane < lanes; lane++) {
                TileTranspose.move(s.memory, square + lane * VectorWidth.BYTES, out, s.rows[lane] + at);
            }
        }
        for (int d = whole; d < call.dV; d++) {
            for (int lane = 0; lane < lanes; lane++) {
                long at = from + d * WIDTH_BYTES + lane * (long) Float.BYTES;
                float value = s.memory.get(JAVA_FLOAT_UNALIGNED, at);
                out.set(JAVA_FLOAT_UNALIGNED, s.rows[lane] + d * (long) Float.BYTES, value);
            }
        }
    }

    /** Floats of one value, in whole vectors. */
    static void fill(TileScratch s, @Nullable MachineTiles machine, long at, long bytes, float value) {
        if (machine != null && machine.hasTileCode()) {
            machine.fill(at, bytes, value);
        } else {
            TileSoftmax.fill(s.memory, at, bytes, value);
        }
    }
}
