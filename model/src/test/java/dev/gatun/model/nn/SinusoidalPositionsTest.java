package dev.gatun.model.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.SinusoidalPositions.Layout;
import dev.gatun.ops.Backend;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SinusoidalPositionsTest {
    /** The formula of section 3.5: element of position pos that is its sine or cosine of frequency i. */
    private static double formula(int pos, int i, int dModel, boolean sine) {
        double angle = pos / Math.pow(10000, 2.0 * i / dModel);
        return sine ? Math.sin(angle) : Math.cos(angle);
    }

    private static Tensor[] tokens(Tensor x) {
        Tensor[] tokens = new Tensor[x.dim(1)];
        for (int t = 0; t < tokens.length; t++) {
            tokens[t] = x.select(1, t);
        }
        return tokens;
    }

    @ParameterizedTest
    @CsvSource({"INTERLEAVED,512", "HALVES,512", "INTERLEAVED,7", "HALVES,7", "INTERLEAVED,1", "HALVES,2"})
    void eachLayoutHasTheFormulasSinesAndCosines(Layout layout, int dModel) {
        int positions = 1030;
        int first = 30;
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Backend.Kind.SCALAR, 1, null))) {
            PositionTable table = SinusoidalPositions.create(arena, positions, dModel, layout);
            assertThat(table.size()).isEqualTo(positions);
            Tensor x = Tensor.allocate(arena, DType.F32, Shape.of(1, positions - first, dModel));
            table.add(backend.newOps(arena), tokens(x), first);
            double[][] expected = new double[positions - first][dModel];
            int sines = (dModel + 1) / 2;
            for (int pos = first; pos < positions; pos++) {
                for (int d = 0; d < dModel; d++) {
                    boolean sine = layout == Layout.INTERLEAVED ? d % 2 == 0 : d < sines;
                    int i = layout == Layout.INTERLEAVED ? d / 2 : d % sines;
                    expected[pos - first][d] = formula(pos, i, dModel, sine);
                }
            }
            Reference.assertClose(layout + " of " + dModel, x, expected, 1e-7);
        }
    }

    @Test
    void positionsAreAddedToEverySequence() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Backend.Kind.SCALAR, 1, null))) {
            PositionTable table = SinusoidalPositions.create(arena, 9, 4, Layout.INTERLEAVED);
            Tensor x = Reference.random(arena, 1, 1, 3, 2, 4);
            float[] before = x.toFloats();
            table.add(backend.newOps(arena), tokens(x), 7);
            for (int i = 0; i < before.length; i++) {
                int pos = 7 + i / 4 % 2;
                float expected = before[i] + (float) formula(pos, i % 4 / 2, 4, i % 2 == 0);
                assertThat(x.toFloats()[i]).isCloseTo(expected, within(1e-6f));
            }
        }
    }
}
