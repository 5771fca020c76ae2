package dev.gatun.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TopKTest {
    private static final float NAN = Float.NaN;
    private static final float INF = Float.POSITIVE_INFINITY;

    @Test
    void theLargestComeFirstAndOfEqualsTheLowerIndex() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 2, null))) {
            Tensor x = Tensor.copyOf(
                    arena,
                    new float[] {1, 3, 3, NAN, -2, 3, NAN, NAN, 5, NAN, NAN, NAN, -INF, 7, INF, 7, -INF, 0},
                    3,
                    6);
            int[] indices = new int[9];
            float[] values = new float[9];
            backend.newOps(arena).topK(x, 3, indices, values);
            assertThat(indices).containsExactly(1, 2, 5, 2, -1, -1, 2, 1, 3);
            assertThat(values).containsExactly(3, 3, 3, 5, -INF, -INF, INF, 7, 7);
        }
    }

    @Test
    void isWhatSortingGives() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 3, null))) {
            int rows = 7;
            int cols = 1000;
            Tensor x = TestTensors.random(arena, 3, rows, 1, cols);
            for (int k : new int[] {1, 8, 999, 1000}) {
                int[] indices = new int[rows * k];
                backend.newOps(arena).topK(x, k, indices, new float[rows * k]);
                for (int row = 0; row < rows; row++) {
                    float[] values = x.select(0, row).toFloats();
                    int[] sorted = IntStream.range(0, cols)
                            .boxed()
                            .sorted(Comparator.comparingDouble((Integer i) -> -values[i]))
                            .limit(k)
                            .mapToInt(Integer::intValue)
                            .toArray();
                    assertThat(indices).containsSubsequence(sorted);
                }
            }
        }
    }

    @Test
    void refusesWhatDoesNotFit() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            Ops ops = backend.newOps(arena);
            Tensor x = TestTensors.random(arena, 3, 4, 5);
            assertThatThrownBy(() -> ops.topK(x, 0, new int[9], new float[9])).isInstanceOf(ShapeException.class);
            assertThatThrownBy(() -> ops.topK(x, 2, new int[7], new float[8]))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("room for 4 x 2 results, not 7 and 8");
        }
    }
}
