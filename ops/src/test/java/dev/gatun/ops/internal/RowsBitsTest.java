package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.ops.Activation;
import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.MachineUnavailableException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Vector and machine rows against scalar rows, bit by bit: everything the operators read, write or must leave alone. */
@Tag("species")
class RowsBitsTest {
    private static final int[] WIDTHS = {
        1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 31, 32, 33, 37, 48, 63, 64, 65, 80, 127, 128, 257, 1021
    };
    private static final int ROWS = 3;
    /** Floats between the end of a row and the next, and before and after each matrix. */
    private static final int GAP = 21;

    /** What the rows hold; NaN and infinities are part of the contract as far as two implementations have to agree. */
    private enum Values {
        ORDINARY,
        EVERY_MAGNITUDE,
        DENORMAL,
        LARGE,
        MASKED,
        SPECIAL;

        float next(SplittableRandom random) {
            float ordinary = (float) random.nextGaussian() * 3;
            return switch (this) {
                case ORDINARY -> ordinary;
                case EVERY_MAGNITUDE -> Float.intBitsToFloat(random.nextInt() & 0xff7fffff);
                case DENORMAL -> Float.intBitsToFloat(random.nextInt() & 0x807fffff);
                case LARGE -> ordinary * 1e4f;
                case MASKED -> random.nextInt(3) > 0 ? Float.NEGATIVE_INFINITY : ordinary;
                case SPECIAL ->
                    switch (random.nextInt(24)) {
                        case 0 -> Float.NaN;
                        case 1 -> Float.POSITIVE_INFINITY;
                        case 2 -> Float.NEGATIVE_INFINITY;
                        case 3 -> -0f;
                        case 4 -> 0f;
                        case 5 -> -Float.MAX_VALUE;
                        default -> ordinary;
                    };
            };
        }
    }

    /** Four matrices and a state in one piece of memory, so that one comparison finds a stray write anywhere. */
    private static final class Memory {
        final MemorySegment segment;
        final int cols;
        final long stride;
        final long x;
        final long y;
        final long cos;
        final long out;
        final long state;

        Memory(Arena arena, int cols, Values values, long seed) {
            this.cols = cols;
            this.stride = (cols + GAP) * 4L;
            long matrix = (ROWS + 1) * stride;
            this.x = GAP * 4L;
            this.y = x + matrix;
            this.cos = y + matrix;
            this.out = cos + matrix;
            this.state = out + matrix;
            this.segment = arena.allocate(state + 5 * ROWS * 4L, 4);
            SplittableRandom random = new SplittableRandom(seed);
            for (long at = 0; at < segment.byteSize(); at += 4) {
                segment.set(ValueLayout.JAVA_FLOAT, at, values.next(random));
            }
            for (int r = 0; r < ROWS; r++) {
                segment.set(ValueLayout.JAVA_FLOAT, state + r * 4L, r == 0 ? Float.NEGATIVE_INFINITY : 2f * r);
            }
        }

        int[] bits() {
            int[] bits = new int[Math.toIntExact(segment.byteSize() / 4)];
            for (int i = 0; i < bits.length; i++) {
                // All NaNs are one; which payload an operation on two of them passes on is the CPU's choice.
                bits[i] = Float.floatToIntBits(segment.getAtIndex(ValueLayout.JAVA_FLOAT, i));
            }
            return bits;
        }
    }

    private interface Operation {
        void run(Rows rows, MemorySegment s, Memory m, long out);
    }

    private record Named(String name, Operation operation) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Named> operations() {
        List<Named> operations = new ArrayList<>();
        operations.add(
                new Named("softmax", (k, s, m, out) -> k.softmax(s, m.x, m.stride, s, out, m.stride, ROWS, m.cols)));
        operations.add(new Named(
                "logSoftmax", (k, s, m, out) -> k.logSoftmax(s, m.x, m.stride, s, out, m.stride, ROWS, m.cols)));
        operations.add(new Named("softmaxTile", (k, s, m, out) -> {
            k.softmaxTile(s, m.x, m.stride, ROWS, m.cols, s, m.state, ROWS);
            k.softmaxTile(s, m.y, m.stride, ROWS, (m.cols + 1) / 2, s, m.state, ROWS);
        }));
        operations.add(
                new Named("scaleRows", (k, s, m, out) -> k.scaleRows(s, m.x, m.stride, ROWS, m.cols, s, m.state)));
        operations.add(new Named("divideRows", (k, s, m, out) -> {
            s.set(ValueLayout.JAVA_FLOAT, m.state + 4, 0f);
            k.divideRows(s, m.x, m.stride, ROWS, m.cols, s, m.state);
        }));
        operations.add(new Named(
                "layerNorm",
                (k, s, m, out) ->
                        k.layerNorm(s, m.x, m.stride, s, m.y, s, m.cos, 1e-5f, s, out, m.stride, ROWS, m.cols)));
        operations.add(new Named(
                "layerNorm without bias",
                (k, s, m, out) ->
                        k.layerNorm(s, m.x, m.stride, s, m.y, null, 0, 1e-5f, s, out, m.stride, ROWS, m.cols)));
        operations.add(new Named(
                "rmsNorm",
                (k, s, m, out) -> k.rmsNorm(s, m.x, m.stride, s, m.y, 1e-6f, s, out, m.stride, ROWS, m.cols)));
        for (Activation activation : Activation.values()) {
            operations.add(new Named(
                    activation.name(),
                    (k, s, m, out) -> k.activate(activation, s, m.x, m.stride, s, out, m.stride, ROWS, m.cols)));
        }
        operations.add(new Named(
                "add", (k, s, m, out) -> k.add(s, m.x, m.stride, s, m.y, m.stride, s, out, m.stride, ROWS, m.cols)));
        operations.add(new Named(
                "add bias", (k, s, m, out) -> k.add(s, m.x, m.stride, s, m.y, 0, s, out, m.stride, ROWS, m.cols)));
        operations.add(new Named(
                "multiply",
                (k, s, m, out) -> k.multiply(s, m.x, m.stride, s, m.y, m.stride, s, out, m.stride, ROWS, m.cols)));
        operations.add(
                new Named("scale", (k, s, m, out) -> k.scale(0.3f, s, m.x, m.stride, s, out, m.stride, ROWS, m.cols)));
        operations.add(new Named("softCap", (k, s, m, out) -> k.softCap(30f, s, m.x, m.stride, ROWS, m.cols)));
        for (boolean interleaved : new boolean[] {false, true}) {
            String layout = interleaved ? "interleaved" : "half";
            operations.add(new Named("rope " + layout, (k, s, m, out) -> rope(k, s, m, out, m.cols & ~1, interleaved)));
            operations.add(new Named(
                    "partial rope " + layout, (k, s, m, out) -> rope(k, s, m, out, m.cols / 2 & ~1, interleaved)));
        }
        return operations.stream();
    }

    private static void rope(Rows k, MemorySegment s, Memory m, long out, int rotaryDim, boolean interleaved) {
        long sin = m.cos + rotaryDim * 2L;
        k.rope(s, m.x, m.stride, s, m.cos, s, sin, m.stride, rotaryDim, interleaved, s, out, m.stride, ROWS, m.cols);
    }

    @ParameterizedTest
    @MethodSource("operations")
    void vectorGivesTheBitsOfScalar(Named operation) {
        givesTheBitsOfScalar(operation, new VectorRows());
    }

    @ParameterizedTest
    @MethodSource("operations")
    void machineGivesTheBitsOfScalar(Named operation) {
        try (MachineRows rows = machine()) {
            if (rows != null) {
                givesTheBitsOfScalar(operation, rows);
            }
        }
    }

    private static @Nullable MachineRows machine() {
        try {
            return new MachineRows(MachineHost.open());
        } catch (MachineUnavailableException e) {
            System.err.println("tested without machine code for rows: " + e.getMessage());
            return null;
        }
    }

    private static void givesTheBitsOfScalar(Named operation, Rows rows) {
        for (Values values : Values.values()) {
            for (int cols : WIDTHS) {
                for (boolean inPlace : new boolean[] {false, true}) {
                    try (Arena arena = Arena.ofConfined()) {
                        long seed = 31L * cols + values.ordinal();
                        Memory scalar = new Memory(arena, cols, values, seed);
                        Memory vector = new Memory(arena, cols, values, seed);
                        long out = inPlace ? scalar.x : scalar.out;
                        operation.operation.run(new ScalarRows(), scalar.segment, scalar, out);
                        operation.operation.run(rows, vector.segment, vector, out);
                        assertThat(vector.bits())
                                .as("%s of %d columns, %s values, in place %s", operation, cols, values, inPlace)
                                .isEqualTo(scalar.bits());
                    }
                }
            }
        }
    }

    /** Everything outside the rows of out (or x, state) keeps its bits: scalar is checked here, vector by equality above. */
    @ParameterizedTest
    @MethodSource("operations")
    void nothingBetweenTheRowsIsWritten(Named operation) {
        for (int cols : WIDTHS) {
            try (Arena arena = Arena.ofConfined()) {
                Memory memory = new Memory(arena, cols, Values.ORDINARY, cols);
                int[] before = memory.bits();
                operation.operation.run(new ScalarRows(), memory.segment, memory, memory.out);
                int[] after = memory.bits();
                for (int i = 0; i < before.length; i++) {
                    long at = i * 4L;
                    boolean inMatrix = at >= memory.x && at < memory.state;
                    boolean padding = at < memory.x
                            || at >= memory.state + 3 * ROWS * 4L
                            || inMatrix && (at - memory.x) % memory.stride >= cols * 4L;
                    if (padding) {
                        assertThat(after[i])
                                .as("%s of %d columns, float %d", operation, cols, i)
                                .isEqualTo(before[i]);
                    }
                }
            }
        }
    }

    @Test
    void argMaxAgrees() {
        try (MachineRows machine = machine()) {
            argMaxAgrees(machine == null ? new Rows[] {new VectorRows()} : new Rows[] {new VectorRows(), machine});
        }
    }

    private static void argMaxAgrees(Rows[] others) {
        for (Values values : Values.values()) {
            for (int cols : WIDTHS) {
                try (Arena arena = Arena.ofConfined()) {
                    Memory m = new Memory(arena, cols, values, 7L * cols);
                    for (long row = m.x; row < m.state; row += m.stride) {
                        int expected = new ScalarRows().argMax(m.segment, row, cols);
                        for (Rows rows : others) {
                            assertThat(rows.argMax(m.segment, row, cols))
                                    .as("%s, %s of %d columns", rows.name(), values, cols)
                                    .isEqualTo(expected);
                        }
                    }
                }
            }
        }
    }

    @Test
    void argMaxTakesTheFirstOfEqualsAndNoNaN() {
        try (Arena arena = Arena.ofConfined();
                MachineRows machine = machine()) {
            Rows[] all = {new ScalarRows(), new VectorRows(), machine == null ? new VectorRows() : machine};
            for (Rows rows : all) {
                for (int cols : WIDTHS) {
                    MemorySegment x = arena.allocate(cols * 4L, 4);
                    for (int i = 0; i < cols; i++) {
                        x.setAtIndex(ValueLayout.JAVA_FLOAT, i, Float.NaN);
                    }
                    assertThat(rows.argMax(x, 0, cols)).isZero();
                    x.setAtIndex(ValueLayout.JAVA_FLOAT, cols - 1, Float.NEGATIVE_INFINITY);
                    assertThat(rows.argMax(x, 0, cols)).isEqualTo(cols - 1);
                    x.setAtIndex(ValueLayout.JAVA_FLOAT, cols - 1, 0f);
                    x.setAtIndex(ValueLayout.JAVA_FLOAT, cols / 2, -0f);
                    assertThat(rows.argMax(x, 0, cols)).isEqualTo(cols / 2 == cols - 1 ? cols - 1 : cols / 2);
                }
            }
        }
    }
}
