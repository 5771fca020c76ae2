package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What {@link Ops} checks, and that views of any strides that it lets through are computed rightly, on each backend. */
class OpsTest {
    private static final int[] X = {2, 3, 4};

    private final Arena arena = Arena.ofShared();
    private final List<Backend> opened = new ArrayList<>();

    @AfterEach
    void close() {
        opened.forEach(Backend::close);
        arena.close();
    }

    private Backend open(Kind kind) {
        Backend backend = Backend.open(new Backend.Options(kind, 2, null));
        opened.add(backend);
        return backend;
    }

    private Ops ops(Kind kind) {
        return open(kind).newOps(arena);
    }

    private Tensor zeros(int... dims) {
        return Tensor.allocate(arena, DType.F32, Shape.of(dims));
    }

    // ---- checks ----

    /** A call with operands that fit; what may be done to one of them without breaking a rule is in {@code legal}. */
    private record Call(
            String op, String[] names, Tensor[] operands, Set<String> legal, BiConsumer<Ops, Tensor[]> run) {
        Call(String op, String names, BiConsumer<Ops, Tensor[]> run, Tensor... operands) {
            this(op, names.split(" "), operands, Set.of(), run);
        }

        Call butLegal(String... changes) {
            return new Call(op, names, operands, Set.of(changes), run);
        }
    }

    /** What can be wrong with an operand. */
    private enum Wrong {
        TYPE,
        RANK_0,
        SCATTERED,
        UNEVEN,
        WIDER,
        TALLER
    }

    private Tensor spoil(Wrong wrong, Tensor t) {
        int[] dims = t.shape().toArray();
        int last = dims.length - 1;
        return switch (wrong) {
            case TYPE -> Tensor.allocate(arena, t.dtype() == DType.F32 ? DType.F16 : DType.I32, t.shape());
            case RANK_0 -> zeros();
            case SCATTERED -> {
                if (dims.length == 1) {
                    yield zeros(dims[0], 2).select(1, 0);
                }
                int inner = dims[last];
                dims[last] = dims[last - 1];
                dims[last - 1] = inner;
                yield zeros(dims).transpose(-1, -2);
            }
            case UNEVEN -> {
                int rows = dims[last - 1]++;
                yield zeros(dims).slice(last - 1, 0, rows);
            }
            case WIDER -> {
                dims[last]++;
                yield zeros(dims);
            }
            case TALLER -> {
                dims[0]++;
                yield zeros(dims);
            }
        };
    }

    private List<Call> calls(Backend backend) {
        PackedWeight weight = backend.pack(zeros(5, 4), arena);
        Tensor row = zeros(4);
        String[] strided = {
            "q UNEVEN",
            "k UNEVEN",
            "v UNEVEN",
            "x UNEVEN",
            "cos UNEVEN",
            "sin UNEVEN",
            "a UNEVEN",
            "b UNEVEN",
            "out UNEVEN"
        };
        return List.of(
                new Call(
                        "linear",
                        "x bias out",
                        (o, t) -> o.linear(t[0], weight, t[1], t[2]),
                        zeros(X),
                        zeros(5),
                        zeros(2, 3, 5)),
                new Call(
                                "matmul",
                                "a b out",
                                (o, t) -> o.matmul(t[0], t[1], t[2]),
                                zeros(X),
                                zeros(2, 4, 5),
                                zeros(2, 3, 5))
                        .butLegal("a UNEVEN", "b UNEVEN", "out UNEVEN", "b SCATTERED"),
                new Call(
                                "attention",
                                "q k v out",
                                (o, t) -> o.attention(t[0], t[1], t[2], AttentionMask.full(), 1f, 0f, t[3]),
                                zeros(2, 4, 3, 8),
                                zeros(2, 2, 5, 8),
                                zeros(2, 2, 5, 6),
                                zeros(2, 4, 3, 6))
                        .butLegal(strided),
                new Call("softmax", "x out", (o, t) -> o.softmax(t[0], t[1]), zeros(X), zeros(X)),
                new Call("logSoftmax", "x out", (o, t) -> o.logSoftmax(t[0], t[1]), zeros(X), zeros(X)),
                new Call(
                        "layerNorm",
                        "x weight bias out",
                        (o, t) -> o.layerNorm(t[0], t[1], t[2], 0f, t[3]),
                        zeros(X),
                        row,
                        row,
                        zeros(X)),
                new Call("rmsNorm", "x weight out", (o, t) -> o.rmsNorm(t[0], t[1], 0f, t[2]), zeros(X), row, zeros(X)),
                new Call("activate", "x out", (o, t) -> o.activate(Activation.RELU, t[0], t[1]), zeros(X), zeros(X)),
                new Call("add", "a b out", (o, t) -> o.add(t[0], t[1], t[2]), zeros(X), zeros(X), zeros(X)),
                new Call("add", "a b out", (o, t) -> o.add(t[0], t[1], t[2]), zeros(X), row, zeros(X)),
                new Call("multiply", "a b out", (o, t) -> o.multiply(t[0], t[1], t[2]), zeros(X), zeros(X), zeros(X)),
                new Call("multiply", "a b out", (o, t) -> o.multiply(t[0], t[1], t[2]), zeros(X), row, zeros(X)),
                new Call("scale", "x out", (o, t) -> o.scale(2f, t[0], t[1]), zeros(X), zeros(X)),
                new Call(
                                "rope",
                                "x cos sin out",
                                (o, t) -> o.rope(t[0], t[1], t[2], false, t[3]),
                                zeros(2, 4, 3, 8),
                                zeros(2, 3, 4),
                                zeros(2, 3, 4),
                                zeros(2, 4, 3, 8))
                        .butLegal(strided),
                new Call("gather", "table out", (o, t) -> o.gather(t[0], new int[6], 0, t[1]), zeros(5, 4), zeros(X))
                        .butLegal("table TYPE", "table UNEVEN", "table TALLER"),
                new Call("argMax", "x", (o, t) -> o.argMax(t[0]), row).butLegal("x WIDER", "x TALLER"));
    }

    @Test
    void whatDoesNotFitIsAnErrorThatNamesOperationOperandAndShape() {
        Backend backend = open(Kind.SCALAR);
        Ops ops = backend.newOps(arena);
        for (Call call : calls(backend)) {
            call.run.accept(ops, call.operands);
            for (int i = 0; i < call.operands.length; i++) {
                for (Wrong wrong : EnumSet.allOf(Wrong.class)) {
                    String change = call.names[i] + " " + wrong;
                    if (wrong == Wrong.UNEVEN && call.operands[i].rank() < 2) {
                        continue; // a vector has one row
                    }
                    Tensor[] operands = call.operands.clone();
                    operands[i] = spoil(wrong, operands[i]);
                    if (call.legal.contains(change)) {
                        if (wrong != Wrong.TYPE) {
                            call.run.accept(ops, operands);
                        }
                        continue;
                    }
                    assertThatThrownBy(() -> call.run.accept(ops, operands))
                            .as(call.op + ", " + change)
                            .isInstanceOf(ShapeException.class)
                            .hasMessageStartingWith(call.op + ": ")
                            .hasMessageContaining(call.names[i] + " " + operands[i]);
                }
            }
        }
    }

    @Test
    void aWeightThatDoesNotFitIsNamedWithItsShape() {
        Backend backend = open(Kind.SCALAR);
        Ops ops = backend.newOps(arena);
        PackedWeight weight = backend.pack(zeros(5, 6), arena);
        assertThatThrownBy(() -> ops.linear(zeros(3, 4), weight, null, zeros(3, 5)))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("linear: x F32[3,4] · weight [5,6] transposed -> out F32[3,5]");
    }

    @Test
    void headsAndContextsOfAttentionMustAgree() {
        Ops ops = ops(Kind.SCALAR);
        Tensor q = zeros(1, 4, 3, 8);
        Tensor k = zeros(1, 2, 5, 8);
        AttentionMask mask = AttentionMask.full();
        for (Tensor[] wrong : new Tensor[][] {
            {q, zeros(1, 3, 5, 8), zeros(1, 3, 5, 8), q}, // 3 does not divide 4
            {q, zeros(1, 0, 5, 8), zeros(1, 0, 5, 8), q},
            {q, k, zeros(1, 4, 5, 8), q}, // as many value heads as key heads
            {q, k, zeros(1, 2, 6, 8), q}, // as many values as keys
            {q, k, k, zeros(1, 4, 2, 8)}, // as many outputs as queries
            {q, k, k, zeros(1, 2, 3, 8)},
        }) {
            assertThatThrownBy(() -> ops.attention(wrong[0], wrong[1], wrong[2], mask, 1f, 0f, wrong[3]))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageStartingWith(
                            "attention: q " + wrong[0] + ", k " + wrong[1] + ", v " + wrong[2] + " -> out " + wrong[3]);
        }
        assertThatThrownBy(() -> ops(Kind.OPENBLAS)
                        .attention(
                                zeros(1, 2000, 1, 1),
                                zeros(1, 1, 1, 1),
                                zeros(1, 1, 1, 1),
                                mask,
                                1f,
                                0f,
                                zeros(1, 2000, 1, 1)))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("q F32[1,2000,1,1] has more than 1024 heads");
    }

    @Test
    void outerDimensionsOfMatmulMustAgree() {
        Ops ops = ops(Kind.SCALAR);
        for (Tensor[] wrong : new Tensor[][] {
            {zeros(2, 2, 3, 4), zeros(2, 3, 4, 5), zeros(2, 2, 3, 5)},
            {zeros(2, 3, 4), zeros(1, 4, 5), zeros(2, 3, 5)},
            {zeros(3, 4), zeros(2, 4, 5), zeros(3, 5)},
            {zeros(4), zeros(4, 5), zeros(5)},
        }) {
            assertThatThrownBy(() -> ops.matmul(wrong[0], wrong[1], wrong[2]))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageStartingWith("matmul: a " + wrong[0] + " · b " + wrong[1] + " -> out " + wrong[2]);
        }
        Tensor scattered = zeros(4, 5, 2).select(2, 0); // neither rows nor columns adjacent
        assertThatThrownBy(() -> ops.matmul(zeros(3, 4), scattered, zeros(3, 5)))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("b F32[4,5] strides [10, 2]")
                .hasMessageContaining("adjacent");
    }

    @Test
    void rotaryTablesMustFitTheTensorThatTheyTurn() {
        Ops ops = ops(Kind.SCALAR);
        Tensor x = zeros(3, 2, 5, 8);
        for (Tensor table : List.of(zeros(2, 5, 4), zeros(1, 4, 4), zeros(1, 5, 5), zeros(5, 4))) {
            assertThatThrownBy(() -> ops.rope(x, table, table, false, x))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageStartingWith("rope: x " + x + ", cos " + table + ", sin " + table);
        }
    }

    @Test
    void anIdBeyondTheTableIsAnErrorWithItsNumbers() {
        Ops ops = ops(Kind.SCALAR);
        Tensor table = zeros(7, 4);
        for (int bad : new int[] {-1, 7, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            assertThatThrownBy(() -> ops.gather(table, new int[] {0, 6, bad}, 1, zeros(2, 4)))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessage("gather: id " + bad + " at index 2 is not 0 to 6");
        }
        for (int from : new int[] {-1, 2, Integer.MAX_VALUE}) {
            assertThatThrownBy(() -> ops.gather(table, new int[3], from, zeros(2, 4)))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("of 3");
        }
    }

    @Test
    void noElementIsTheLargestOfNone() {
        assertThatThrownBy(() -> ops(Kind.SCALAR).argMax(zeros(0)))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("argMax: x F32[0]");
    }

    // ---- results ----

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void tensorsWithoutRowsAreFine(Kind kind) {
        Backend backend = open(kind);
        Ops ops = backend.newOps(arena);
        Tensor x = zeros(0, 3, 4);
        Tensor row = zeros(4);
        ops.linear(x, backend.pack(zeros(5, 4), arena), zeros(5), zeros(0, 3, 5));
        ops.matmul(x, zeros(0, 4, 5), zeros(0, 3, 5));
        ops.matmul(zeros(2, 0, 4), zeros(2, 4, 5), zeros(2, 0, 5));
        ops.attention(
                zeros(0, 4, 3, 8),
                zeros(0, 2, 5, 8),
                zeros(0, 2, 5, 8),
                AttentionMask.causal(),
                1f,
                0f,
                zeros(0, 4, 3, 8));
        ops.attention(
                zeros(1, 4, 0, 8),
                zeros(1, 2, 5, 8),
                zeros(1, 2, 5, 8),
                AttentionMask.causal(),
                1f,
                0f,
                zeros(1, 4, 0, 8));
        ops.softmax(x, x);
        ops.logSoftmax(x, x);
        ops.layerNorm(x, row, row, 1e-5f, x);
        ops.rmsNorm(x, row, 1e-5f, x);
        ops.activate(Activation.GELU, x, x);
        ops.add(x, x, x);
        ops.multiply(x, row, x);
        ops.scale(2f, x, x);
        ops.rope(zeros(0, 2, 3, 4), zeros(1, 3, 2), zeros(1, 3, 2), true, zeros(0, 2, 3, 4));
        ops.gather(zeros(7, 4), new int[0], 0, x);
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void sumsOfNothingAreZero(Kind kind) {
        Backend backend = open(kind);
        Ops ops = backend.newOps(arena);
        Tensor product = nan(arena, 3, 5);
        ops.matmul(zeros(3, 0), zeros(0, 5), product);
        assertThat(product.toFloats()).containsOnly(0f);
        Tensor bias = random(arena, 1, 5);
        Tensor linear = nan(arena, 1, 5);
        ops.linear(zeros(1, 0), backend.pack(zeros(5, 0), arena), bias, linear);
        assertThat(linear.toFloats()).containsExactly(bias.toFloats());
        Tensor context = nan(arena, 2, 4, 3, 8);
        ops.attention(zeros(2, 4, 3, 8), zeros(2, 2, 0, 8), zeros(2, 2, 0, 8), AttentionMask.full(), 1f, 0f, context);
        assertThat(context.toFloats()).containsOnly(0f);
    }

    /** Columns 2 to 2 + d of a wider tensor of NaN, holding what {@code t} holds. */
    private Tensor columnsOf(Tensor t) {
        int[] dims = t.shape().toArray();
        int d = dims[dims.length - 1];
        dims[dims.length - 1] = d + 5;
        Tensor columns = nan(arena, dims).slice(-1, 2, 2 + d);
        columns.copyFrom(t);
        return columns;
    }

    private record RowCall(String name, BiConsumer<Tensor, Tensor> run, int outCols) {}

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void aSliceOfColumnsIsComputedInPlaceAndItsGapsAreLeftAlone(Kind kind) {
        Backend backend = open(kind);
        Ops ops = backend.newOps(arena);
        int d = 19;
        Tensor x = random(arena, 1, 3, 5, d);
        Tensor other = random(arena, 2, 3, 5, d);
        Tensor row = random(arena, 3, d);
        PackedWeight weight = backend.pack(random(arena, 4, 23, d), arena);
        Tensor bias = random(arena, 5, 23);
        Tensor table = random(arena, 6, 40, d);
        int[] ids = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 39};
        List<RowCall> calls = new ArrayList<>(List.of(
                new RowCall("linear", (in, out) -> ops.linear(in, weight, bias, out), 23),
                new RowCall("softmax", ops::softmax, d),
                new RowCall("logSoftmax", ops::logSoftmax, d),
                new RowCall("layerNorm", (in, out) -> ops.layerNorm(in, row, row, 1e-5f, out), d),
                new RowCall("rmsNorm", (in, out) -> ops.rmsNorm(in, row, 1e-5f, out), d),
                new RowCall("add", (in, out) -> ops.add(in, columnsOf(other), out), d),
                new RowCall("add row", (in, out) -> ops.add(in, row, out), d),
                new RowCall("multiply", (in, out) -> ops.multiply(in, columnsOf(other), out), d),
                new RowCall("multiply row", (in, out) -> ops.multiply(in, row, out), d),
                new RowCall("scale", (in, out) -> ops.scale(3f, in, out), d),
                new RowCall("gather", (in, out) -> ops.gather(columnsOf(table), ids, 0, out), d)));
        for (Activation activation : Activation.values()) {
            calls.add(new RowCall(activation.name(), (in, out) -> ops.activate(activation, in, out), d));
        }
        for (RowCall call : calls) {
            Tensor expected = nan(arena, 3, 5, call.outCols);
            call.run.accept(x, expected);
            Tensor wide = nan(arena, 3, 5, call.outCols + 5);
            Tensor out = wide.slice(2, 2, 2 + call.outCols);
            call.run.accept(columnsOf(x), out);
            assertSameBits(call.name, out, expected);
            assertThat(wide.slice(2, 0, 2).toFloats()).as(call.name).containsOnly(Float.NaN);
            assertThat(wide.slice(2, 2 + call.outCols, call.outCols + 5).toFloats())
                    .as(call.name)
                    .containsOnly(Float.NaN);
            if (call.outCols == d && !call.name.equals("gather")) {
                Tensor inPlace = columnsOf(x);
                call.run.accept(inPlace, inPlace);
                assertSameBits(call.name + " in place", inPlace, expected);
            }
        }
    }

    /** The stride of a dimension of size 1 leads nowhere: it neither makes rows uneven nor hides that they are. */
    @Test
    void dimensionsOfOneDoNotCountForTheSpacingOfRows() {
        Ops ops = ops(Kind.SCALAR);
        Tensor wide = random(arena, 1, 2, 9);
        Tensor columns = wide.slice(1, 3, 7); // [2,4], rows 9 apart
        Tensor reshaped = columns.reshape(2, 1, 4);
        Tensor out = nan(arena, 2, 1, 4);
        ops.scale(1f, reshaped, out);
        assertThat(out.toFloats()).containsExactly(columns.toFloats());

        Tensor uneven = random(arena, 2, 2, 1, 5, 4).slice(2, 0, 3); // [2,1,3,4], a gap after the third row
        assertThatThrownBy(() -> ops.scale(1f, uneven, nan(arena, 2, 1, 3, 4)))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("scale: x " + uneven + ": rows must be evenly spaced");
    }

    private void assertMatmul(String what, Ops ops, Tensor a, Tensor b, Tensor out) {
        int rank = a.rank();
        int m = a.dim(-2);
        int n = b.dim(-1);
        int k = a.dim(-1);
        float[] left = a.toFloats();
        float[] right = b.toFloats();
        float[] expected = new float[Math.toIntExact(out.elements())];
        for (int batch = 0; batch < expected.length / (m * n); batch++) {
            int bBatch = b.rank() < rank || rank == 2 ? 0 : batch;
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    double sum = 0;
                    for (int c = 0; c < k; c++) {
                        sum += (double) left[(batch * m + i) * k + c] * right[(bBatch * k + c) * n + j];
                    }
                    expected[(batch * m + i) * n + j] = (float) sum;
                }
            }
        }
        ops.matmul(a, b, out);
        assertClose(what, out, Tensor.copyOf(arena, expected, out.shape().toArray()), 1e-5 * Math.sqrt(k));
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void matmulTakesRanksTwoToFourAndSharedOrTransposedRightSides(Kind kind) {
        Ops ops = ops(kind);
        for (int[] outer : new int[][] {{}, {3}, {2, 3}}) {
            for (int[] mnk : new int[][] {{1, 1, 1}, {5, 1, 7}, {1, 7, 5}, {4, 6, 1}, {9, 50, 33}}) {
                Function<int[], int[]> dims = inner -> {
                    int[] all = Arrays.copyOf(outer, outer.length + 2);
                    all[outer.length] = inner[0];
                    all[outer.length + 1] = inner[1];
                    return all;
                };
                int m = mnk[0];
                int n = mnk[1];
                int k = mnk[2];
                String what = "outer " + outer.length + ", m n k " + Arrays.toString(mnk);
                int[] out = dims.apply(new int[] {m, n});
                Tensor a = random(arena, 1, dims.apply(new int[] {m, k}));
                assertMatmul(what, ops, a, random(arena, 2, dims.apply(new int[] {k, n})), nan(arena, out));
                Tensor bT = random(arena, 3, dims.apply(new int[] {n, k})).transpose(-1, -2);
                assertMatmul(what + ", b transposed", ops, a, bT, nan(arena, out));
                assertMatmul(what + ", b shared", ops, a, random(arena, 4, k, n), nan(arena, out));
                Tensor sharedT = random(arena, 5, n, k).transpose(0, 1);
                assertMatmul(what + ", b shared and transposed", ops, a, sharedT, nan(arena, out));
            }
        }
    }

    /** A matrix of one row or column may come with any stride, from a transpose for example. */
    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void aTransposedColumnIsARow(Kind kind) {
        Ops ops = ops(kind);
        Tensor row = random(arena, 1, 9, 1).transpose(0, 1); // [1,9] with strides 1, 1
        assertMatmul("a", ops, row, random(arena, 2, 9, 4), nan(arena, 1, 4));
        assertMatmul("b", ops, random(arena, 3, 6, 1), row, nan(arena, 6, 9));
        assertMatmul(
                "out",
                ops,
                random(arena, 4, 1, 5),
                random(arena, 5, 5, 9),
                nan(arena, 9, 1).transpose(0, 1));

        Tensor q = random(arena, 6, 2, 3, 8, 1).transpose(2, 3); // [2,3,1,8]
        Tensor keys = random(arena, 7, 2, 3, 5, 8);
        Tensor expected = nan(arena, 2, 3, 1, 8);
        Tensor contiguous = nan(arena, 2, 3, 1, 8);
        contiguous.copyFrom(q);
        ops.attention(contiguous, keys, keys, AttentionMask.full(), 1f, 0f, expected);
        Tensor out = nan(arena, 2, 3, 8, 1).transpose(2, 3);
        ops.attention(q, keys, keys, AttentionMask.full(), 1f, 0f, out);
        assertSameBits("attention", out, expected);
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR", "OPENBLAS"})
    void headsAreSplitByStridesAlone(Kind kind) {
        Ops ops = ops(kind);
        int heads = 3;
        int dK = 5;
        Tensor q = random(arena, 1, 2, 4, heads * dK);
        Tensor k = random(arena, 2, 2, 6, heads * dK);
        Tensor scores = nan(arena, 2, heads, 4, 6);
        assertMatmul("q k^T", ops, q.splitHeads(heads), k.splitHeads(heads).transpose(2, 3), scores);
        Tensor context = nan(arena, 2, 4, heads * dK);
        assertMatmul("scores v", ops, scores, k.splitHeads(heads), context.splitHeads(heads));
        // One projection may hold q, k and v side by side, as GPT-2's does.
        Tensor qkv = random(arena, 3, 2, 6, 3 * heads * dK);
        Tensor both = nan(arena, 2, heads, 6, 6);
        Tensor left = qkv.slice(2, 0, heads * dK).splitHeads(heads);
        Tensor right = qkv.slice(2, heads * dK, 2 * heads * dK).splitHeads(heads);
        assertMatmul("qkv", ops, left, right.transpose(2, 3), both);
    }

    @ParameterizedTest
    @EnumSource(names = {"SCALAR", "VECTOR"})
    void ropeTurnsEachPairByItsPositionsAngle(Kind kind) {
        Ops ops = ops(kind);
        int batch = 3;
        int heads = 2;
        int ctx = 5;
        for (int d : new int[] {8, 38}) {
            for (int rotary : new int[] {2, 8, d}) {
                for (int tables : new int[] {1, batch}) {
                    for (boolean interleaved : new boolean[] {false, true}) {
                        Tensor x = random(arena, 1, batch, ctx, heads * d).splitHeads(heads);
                        Tensor cos = random(arena, 2, tables, ctx, rotary / 2);
                        Tensor sin = random(arena, 3, tables, ctx, rotary / 2);
                        Tensor expected = nan(arena, batch, heads, ctx, d);
                        expected.copyFrom(x);
                        for (int b = 0; b < batch; b++) {
                            for (int h = 0; h < heads; h++) {
                                for (int t = 0; t < ctx; t++) {
                                    for (int i = 0; i < rotary / 2; i++) {
                                        int first = interleaved ? 2 * i : i;
                                        int second = interleaved ? 2 * i + 1 : i + rotary / 2;
                                        double c = cos.getFloat(tables == 1 ? 0 : b, t, i);
                                        double s = sin.getFloat(tables == 1 ? 0 : b, t, i);
                                        double x1 = x.getFloat(b, h, t, first);
                                        double x2 = x.getFloat(b, h, t, second);
                                        expected.setFloat((float) (x1 * c - x2 * s), b, h, t, first);
                                        expected.setFloat((float) (x2 * c + x1 * s), b, h, t, second);
                                    }
                                }
                            }
                        }
                        String what = d + ", " + rotary + ", " + tables + ", " + interleaved;
                        Tensor out = nan(arena, batch, heads, ctx, d);
                        ops.rope(x, cos, sin, interleaved, out);
                        assertClose(what, out, expected, 1e-6);
                        ops.rope(x, cos, sin, interleaved, x);
                        assertSameBits(what + ", in place", x, out);
                    }
                }
            }
        }
    }

    @Test
    void oneRowServesAllRows() {
        Ops ops = ops(Kind.VECTOR);
        Tensor a = random(arena, 1, 2, 3, 21);
        Tensor row = random(arena, 2, 21);
        Tensor sum = nan(arena, 2, 3, 21);
        Tensor product = nan(arena, 2, 3, 21);
        ops.add(a, row, sum);
        ops.multiply(a, row, product);
        for (int b = 0; b < 2; b++) {
            for (int t = 0; t < 3; t++) {
                for (int i = 0; i < 21; i++) {
                    assertThat(sum.getFloat(b, t, i)).isEqualTo(a.getFloat(b, t, i) + row.getFloat(i));
                    assertThat(product.getFloat(b, t, i)).isEqualTo(a.getFloat(b, t, i) * row.getFloat(i));
                }
            }
        }
    }

    @Test
    void gatherWidensTheRowsOfAnyFloatType() {
        Ops ops = ops(Kind.SCALAR);
        float[] values = {1f, -2f, 0.5f, 3f, 0x1p-14f, -0f};
        Tensor f32 = Tensor.copyOf(arena, values, 3, 2);
        for (DType type : List.of(DType.F32, DType.F64, DType.F16, DType.BF16)) {
            Tensor table = TestTensors.as(arena, type, f32);
            Tensor out = nan(arena, 1, 2, 2);
            ops.gather(table, new int[] {-7, 2, 0}, 1, out);
            assertThat(out.toFloats()).as(type.toString()).containsExactly(0x1p-14f, -0f, 1f, -2f);
        }
    }

    @Test
    void theFirstOfEqualsIsTheLargest() {
        for (Kind kind : List.of(Kind.SCALAR, Kind.VECTOR)) {
            float[] values = new float[100];
            values[37] = 3f;
            values[38] = 3f;
            values[99] = 3f;
            assertThat(ops(kind).argMax(Tensor.copyOf(arena, values, 100))).isEqualTo(37);
        }
    }
}
