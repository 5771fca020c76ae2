package dev.gatun.ops.internal;

/** The tiles of scores and context that attention computes in registers, and how far apart their rows are. */
final class TileShape {
    /**
     * Vectors of a tile: with 6 rows 24 accumulators where there are 32 vector registers (AVX-512, and all of AArch64), 12
     * where there are 16 (AVX2, SSE).
     */
    static final int VECTORS = VectorWidth.LANES == 16 || "aarch64".equals(System.getProperty("os.arch")) ? 4 : 2;

    /** Floats from one row to the next. */
    static final int WIDTH = VECTORS * VectorWidth.LANES;

    static final long WIDTH_BYTES = VECTORS * VectorWidth.BYTES;

    /** Rows of a tile. */
    static final int ROWS = 6;

    private TileShape() {}

    /** Rows of the next tile where {@code rows} are left: 6, or 4. */
    static int tileRows(int rows) {
        return rows <= 4 ? 4 : ROWS;
    }

    /** Rows up to the end of the last tile. */
    static int padded(int rows) {
        int rest = rows % ROWS;
        return rest == 0 ? rows : rows - rest + tileRows(rest);
    }

    /** Offsets of as many rows as a vector has lanes, {@code step} bytes apart. */
    static long[] rows(long step) {
        long[] rows = new long[VectorWidth.LANES];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = i * step;
        }
        return rows;
    }
}
