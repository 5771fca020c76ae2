package dev.gatun.openblas;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/**
 * A batch of products of random matrices, computed by a {@link Blas} and in double.
 *
 * @param padding    floats between the end of a row and the next, and between matrices; NaN, and to stay as they are in c
 * @param sideBySide the matrices c of the batch lie in the same rows
 */
record Product(
        boolean transA,
        boolean transB,
        int m,
        int n,
        int k,
        int padding,
        float alpha,
        float beta,
        int batch,
        boolean sideBySide,
        long seed) {

    void check(Blas blas) {
        Random random = new Random(seed);
        try (Arena arena = Arena.ofConfined()) {
            Matrices a = new Matrices(arena, random, transA ? k : m, transA ? m : k, false);
            Matrices b = new Matrices(arena, random, transB ? n : k, transB ? k : n, false);
            Matrices c = new Matrices(arena, random, m, n, sideBySide);
            float[] before = c.segment.toArray(JAVA_FLOAT);
            boolean[] written = new boolean[before.length];

            if (batch == 1) {
                blas.sgemm(transA, transB, m, n, k, alpha, a.segment, a.ld, b.segment, b.ld, beta, c.segment, c.ld);
            } else {
                blas.sgemmBatchStrided(
                        transA, transB, m, n, k, alpha, a.segment, a.ld, a.stride, b.segment, b.ld, b.stride, beta,
                        c.segment, c.ld, c.stride, batch);
            }

            float[] after = c.segment.toArray(JAVA_FLOAT);
            for (int i = 0; i < batch; i++) {
                for (int row = 0; row < m; row++) {
                    for (int column = 0; column < n; column++) {
                        double sum = 0;
                        double magnitude = 0;
                        for (int j = 0; j < k; j++) {
                            double term = (double) (transA ? a.get(i, j, row) : a.get(i, row, j))
                                    * (transB ? b.get(i, column, j) : b.get(i, j, column));
                            sum += term;
                            magnitude += Math.abs(term);
                        }
                        int index = c.index(i, row, column);
                        double expected = alpha * sum + beta * before[index];
                        // Each of the k + 3 roundings is off by at most 2^-24 of what has been added up.
                        double error = (k + 3) * 0x1p-24 * (magnitude + Math.abs(beta * before[index]));
                        written[index] = true;
                        if (!(Math.abs(after[index] - expected) <= error)) {
                            assertThat((double) after[index])
                                    .as("%s, matrix %d, row %d, column %d", this, i, row, column)
                                    .isCloseTo(expected, within(error));
                        }
                    }
                }
            }
            for (int i = 0; i < after.length; i++) {
                if (!written[i])
                    assertThat(after[i])
                            .as("%s, float %d outside of c", this, i)
                            .isNaN();
            }
        }
    }

    private final class Matrices {
        final MemorySegment segment;
        final int ld;
        final int stride;

        Matrices(Arena arena, Random random, int rows, int columns, boolean sideBySide) {
            ld = Math.max(1, (sideBySide ? Math.max(1, batch) : 1) * columns + padding);
            stride = sideBySide ? columns : rows * ld + padding;
            int floats = rows == 0 || columns == 0 || batch == 0 ? 0 : index(batch - 1, rows - 1, columns - 1) + 1;
            segment = arena.allocate(JAVA_FLOAT, floats);
            segment.fill((byte) 0xFF);
            for (int i = 0; i < batch; i++) {
                for (int row = 0; row < rows; row++) {
                    for (int column = 0; column < columns; column++) {
                        segment.setAtIndex(JAVA_FLOAT, index(i, row, column), random.nextFloat() * 2 - 1);
                    }
                }
            }
        }

        int index(int matrix, int row, int column) {
            return matrix * stride + row * ld + column;
        }

        float get(int matrix, int row, int column) {
            return segment.getAtIndex(JAVA_FLOAT, index(matrix, row, column));
        }
    }
}
