package dev.gatun.ops.machine;

/** The vector registers that a kernel is written for. */
enum VectorSet {
    /** 16 of 32 bytes. */
    AVX2(32, 16),
    /** 32 of 64 bytes, and masks. */
    AVX512(64, 32);

    private final int bytes;
    private final int registers;

    VectorSet(int bytes, int registers) {
        this.bytes = bytes;
        this.registers = registers;
    }

    /** Bytes of a register. */
    int bytes() {
        return bytes;
    }

    int registers() {
        return registers;
    }

    boolean hasMasks() {
        return this == AVX512;
    }

    Vec register(int number) {
        return new Vec(number, bytes);
    }

    /** Rows of a tile of many rows. */
    int tileRows() {
        return this == AVX512 ? 8 : 4;
    }

    /** Rows of a tile of four vectors. */
    int attentionRows() {
        return this == AVX512 ? 6 : 2;
    }

    /**
     * Vectors of a panel for {@code rows} rows: enough sums that none is waited for (two units of latency 4), and registers for
     * a vector of b each and at least one broadcast.
     */
    int panelVectors(int rows) {
        return this == AVX512
                ? switch (rows) {
                    case 1, 2 -> 9;
                    case 3 -> 7;
                    case 4 -> 6;
                    case 5 -> 5;
                    case 6 -> 4;
                    default -> 3;
                }
                : switch (rows) {
                    case 1 -> 6;
                    case 2 -> 4;
                    default -> 3;
                };
    }
}
