package dev.gatun.ops.internal;

import static dev.gatun.ops.internal.Species.FLOATS;
import static dev.gatun.ops.internal.Species.LANES;
import static dev.gatun.ops.internal.TileShape.ROWS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** Keys and values of a tile as the kernels of attention read them. */
final class TilePanels {
    private static final long PANEL_COLS = ROWS * (long) Float.BYTES;

    private TilePanels() {}

    /**
     * Rows as panels of {@link TileShape#ROWS} columns: each row's part of a panel is stored as a whole vector, of which
     * the next row overwrites what is too much.
     *
     * @param rowsAt where each row begins, in bytes after {@code fromAt}
     * @param readable floats of a row that may be read
     * @param panel floats from one panel to the next
     */
    static void pack(
            MemorySegment from,
            long fromAt,
            long[] rowsAt,
            int rows,
            int cols,
            int readable,
            float[] to,
            int toAt,
            int panel) {
        from = OffHeap.of(from);
        int panels = (cols + ROWS - 1) / ROWS;
        int wide = (ROWS + LANES - 1) / LANES * LANES;
        int whole = Math.clamp(Math.floorDiv(readable - wide, ROWS) + 1L, 0, panels);
        for (int i = 0; i < rows; i++) {
            long row = fromAt + rowsAt[i];
            int at = toAt + i * ROWS;
            for (int p = 0; p < whole; p++) {
                for (int j = 0; j < ROWS; j += LANES) {
                    FloatVector.fromMemorySegment(
                                    FLOATS, from, row + p * PANEL_COLS + j * (long) Float.BYTES, Species.ORDER)
                            .intoArray(to, at + p * panel + j);
                }
            }
        }
        for (int p = whole; p < panels; p++) {
            for (int j = p * ROWS; j < Math.min(cols, (p + 1) * ROWS); j++) {
                for (int i = 0; i < rows; i++) {
                    float value = from.get(JAVA_FLOAT_UNALIGNED, fromAt + rowsAt[i] + j * (long) Float.BYTES);
                    to[toAt + p * panel + i * ROWS + j % ROWS] = value;
                }
            }
        }
    }
}
