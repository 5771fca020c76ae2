package dev.gatun.model.golden;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.gatun.model.Kinds;
import dev.gatun.memory.Shape;
import dev.gatun.model.Kinds;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Activation;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.Ops;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The operator cases of golden/ops, ONNX's and the hostile ones, on every backend. */
class GoldenOpsTest {
    private interface Computation {
        void run(GoldenCase golden, Ops ops);
    }

    private static final Map<String, Computation> OPERATORS = Map.ofEntries(
            Map.entry("attention", GoldenOpsTest::onnxAttention),
            Map.entry("hostile-attention", GoldenOpsTest::hostileAttention),
            Map.entry("softmax", (c, ops) -> softmax(c, ops, c.input(0), c.output(0))),
            Map.entry("hostile-softmax", (c, ops) -> softmax(c, ops, c.tensor("X"), "Y")),
            Map.entry("log_softmax", GoldenOpsTest::logSoftmax),
            Map.entry("layer_normalization", GoldenOpsTest::onnxLayerNorm),
            Map.entry("hostile-layer_norm", GoldenOpsTest::hostileLayerNorm),
            Map.entry("rms_normalization", GoldenOpsTest::onnxRmsNorm),
            Map.entry("hostile-rms_norm", GoldenOpsTest::hostileRmsNorm),
            Map.entry("rotary_embedding", GoldenOpsTest::onnxRope),
            Map.entry("hostile-rotary", GoldenOpsTest::hostileRope),
            Map.entry("gelu", (c, ops) -> activate(
                    c, ops, c.hasAttribute("approximate") && c.text("approximate").equals("tanh") ? Activation.GELU_TANH : Activation.GELU)),
            Map.entry("relu", (c, ops) -> activate(c, ops, Activation.RELU)),
            Map.entry("tanh", (c, ops) -> activate(c, ops, Activation.TANH)),
            Map.entry("sigmoid", (c, ops) -> activate(c, ops, Activation.SIGMOID)),
            Map.entry("swish", (c, ops) -> activate(c, ops, Activation.SILU)),
            Map.entry("hostile-activation", GoldenOpsTest::hostileActivation),
            Map.entry("swiglu", GoldenOpsTest::swiGlu),
            Map.entry("matmul", (c, ops) -> matmul(c, ops, c.input(0), c.input(1), c.output(0))),
            Map.entry("hostile-matmul", GoldenOpsTest::hostileMatmul),
            Map.entry("gemm", GoldenOpsTest::gemm),
            Map.entry("embedding", GoldenOpsTest::embedding),
            Map.entry("hostile-argmax", GoldenOpsTest::argMax));

    @TestFactory
    Stream<DynamicContainer> everyCaseOnEveryBackend() {
        return Kinds.all()
                .map(kind -> DynamicContainer.dynamicContainer(
                        kind.toString(),
                        OPERATORS.keySet().stream().sorted().map(op -> DynamicTest.dynamicTest(op, () -> run(op, kind)))));
    }

    private static void run(String op, Kind kind) throws IOException {
        int done = 0;
        double worst = 0;
        try (Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
            for (JsonNode json : GoldenCase.of(op)) {
                try (Arena arena = Arena.ofShared()) {
                    GoldenCase golden = GoldenCase.open(op, json, arena);
                    OPERATORS.get(op).run(golden, backend.newOps(arena));
                    worst = Math.max(worst, golden.worst());
                    done++;
                }
            }
        }
        assertThat(done).as(op).isPositive();
        System.out.printf("%-20s %-8s %2d cases, worst %.3g%n", op, kind, done, worst);
    }

    /** x as rows [outer, inner], cut before dimension {@code axis}. */
    private static Tensor rows(Tensor x, int axis) {
        int at = axis < 0 ? axis + x.rank() : axis;
        int inner = 1;
        for (int i = at; i < x.rank(); i++) {
            inner *= x.dim(i);
        }
        return x.reshape((int) (x.elements() / inner), inner);
    }

    private static Tensor flat(Tensor x) {
        return x.reshape((int) x.elements());
    }

    private static void softmax(GoldenCase c, Ops ops, Tensor x, String output) {
        assertThat(c.integer("axis", -1)).isIn(-1, x.rank() - 1);
        Tensor out = c.out(x.shape());
        ops.softmax(x, out);
        c.check(output, out);
    }

    private static void logSoftmax(GoldenCase c, Ops ops) {
        Tensor x = c.input(0);
        assertThat(c.integer("axis", -1)).isIn(-1, x.rank() - 1);
        Tensor out = c.out(x.shape());
        ops.logSoftmax(x, out);
        c.check(c.output(0), out);
    }

    private static void onnxLayerNorm(GoldenCase c, Ops ops) {
        Tensor x = rows(c.input(0), c.integer("axis", -1));
        Tensor out = c.out(x.shape());
        ops.layerNorm(x, flat(c.input(1)), c.hasInput(2) ? flat(c.input(2)) : null, c.number("epsilon", 1e-5f), out);
        c.check(c.output(0), out);
    }

    private static void hostileLayerNorm(GoldenCase c, Ops ops) {
        Tensor x = c.tensor("X");
        Tensor out = c.out(x.shape());
        ops.layerNorm(x, c.tensor("weight"), c.tensor("bias"), c.number("epsilon", 1e-5f), out);
        c.check("Y", out);
    }

    private static void onnxRmsNorm(GoldenCase c, Ops ops) {
        Tensor x = rows(c.input(0), c.integer("axis", -1));
        Tensor out = c.out(x.shape());
        ops.rmsNorm(x, flat(c.input(1)), c.number("epsilon", 1e-5f), out);
        c.check(c.output(0), out);
    }

    private static void hostileRmsNorm(GoldenCase c, Ops ops) {
        Tensor x = c.tensor("X");
        Tensor out = c.out(x.shape());
        ops.rmsNorm(x, c.tensor("weight"), c.number("epsilon", 1e-6f), out);
        c.check("Y", out);
    }

    private static void activate(GoldenCase c, Ops ops, Activation activation) {
        Tensor out = c.out(c.input(0).shape());
        ops.activate(activation, c.input(0), out);
        c.check(c.output(0), out);
    }

    private static void hostileActivation(GoldenCase c, Ops ops) {
        Activation activation = switch (c.text("function")) {
            case "gelu" -> Activation.GELU;
            case "gelu_tanh" -> Activation.GELU_TANH;
            case "silu" -> Activation.SILU;
            case "relu" -> Activation.RELU;
            case "sigmoid" -> Activation.SIGMOID;
            case "tanh" -> Activation.TANH;
            case "quick_gelu" -> Activation.QUICK_GELU;
            default -> null; // erf and softplus are not activations of a model that we run
        };
        if (activation != null) {
            Tensor x = c.tensor("X");
            Tensor out = c.out(x.shape());
            ops.activate(activation, x, out);
            c.check("Y", out);
        }
    }

    private static void swiGlu(GoldenCase c, Ops ops) {
        Tensor out = c.out(c.input(0).shape());
        ops.activate(Activation.SILU, c.input(0), out);
        ops.multiply(out, c.input(1), out);
        c.check(c.output(0), out);
    }

    private static void matmul(GoldenCase c, Ops ops, Tensor a, Tensor b, String output) {
        // ONNX takes vectors as a row (left) or a column (right) and drops that dimension again.
        Tensor left = a.rank() == 1 ? a.reshape(1, a.dim(0)) : a;
        Tensor right = b.rank() == 1 ? b.reshape(b.dim(0), 1) : b;
        Tensor out = c.out(outShape(left, right));
        broadcast(ops, left, right, out);
        c.check(output, out);
    }

    private static Shape outShape(Tensor a, Tensor b) {
        int[] dims = new int[Math.max(a.rank(), b.rank())];
        for (int i = 1; i <= dims.length; i++) {
            int left = i <= a.rank() ? a.dim(-i) : 1;
            int right = i <= b.rank() ? b.dim(-i) : 1;
            dims[dims.length - i] = i == 1 ? right : i == 2 ? left : Math.max(left, right);
        }
        return Shape.of(dims);
    }

    /** ONNX repeats an outer dimension of 1: then product by product, else all in one call. */
    private static void broadcast(Ops ops, Tensor a, Tensor b, Tensor out) {
        boolean repeats = b.rank() > 2 && (a.rank() != b.rank() || IntStream.range(0, a.rank() - 2).anyMatch(i -> a.dim(i) != b.dim(i)));
        if (!repeats) {
            ops.matmul(a, b, out);
            return;
        }
        for (int i = 0; i < out.dim(0); i++) {
            broadcast(ops, outer(a, i, out), outer(b, i, out), out.select(0, i));
        }
    }

    private static Tensor outer(Tensor t, int i, Tensor out) {
        return t.rank() < out.rank() ? t : t.select(0, t.dim(0) == 1 ? 0 : i);
    }

    private static void hostileMatmul(GoldenCase c, Ops ops) {
        Tensor b = c.tensor("B");
        matmul(c, ops, c.tensor("A"), c.flag("transpose_b") ? b.transpose(-1, -2) : b, "Y");
    }

    private static void gemm(GoldenCase c, Ops ops) {
        Tensor a = c.input(0);
        if (c.flag("transA")) {
            Tensor copy = c.out(a.transpose(0, 1).shape());
            copy.copyFrom(a.transpose(0, 1));
            a = copy;
        }
        Tensor b = c.flag("transB") ? c.input(1).transpose(0, 1) : c.input(1);
        Tensor out = c.out(Shape.of(a.dim(0), b.dim(1)));
        ops.matmul(a, b, out);
        ops.scale(c.number("alpha", 1), out, out);
        if (c.hasInput(2)) {
            Tensor added = c.out(out.shape());
            Tensor given = c.input(2);
            for (int i = 0; i < out.dim(0); i++) {
                for (int j = 0; j < out.dim(1); j++) {
                    int row = given.rank() < 2 || given.dim(0) == 1 ? 0 : i;
                    int col = given.rank() < 1 || given.dim(-1) == 1 ? 0 : j;
                    int[] index = given.rank() == 2 ? new int[] {row, col} : given.rank() == 1 ? new int[] {col} : new int[0];
                    added.setFloat(given.getFloat(index), i, j);
                }
            }
            ops.scale(c.number("beta", 1), added, added);
            ops.add(out, added, out);
        }
        c.check(c.output(0), out);
    }

    private static void embedding(GoldenCase c, Ops ops) {
        Tensor ids = c.tensor("ids");
        Tensor out = c.out(c.tensor("Y").shape());
        ops.gather(c.tensor("table"), Arrays.stream(ids.toLongs()).mapToInt(Math::toIntExact).toArray(), 0, out);
        c.check("Y", out);
    }

    private static void argMax(GoldenCase c, Ops ops) {
        long[] expected = c.tensor("Y").toLongs();
        for (int i = 0; i < expected.length; i++) {
            assertThat(ops.argMax(c.tensor("X").select(0, i))).as(c.title()).isEqualTo((int) expected[i]);
        }
    }

    private static void onnxRope(GoldenCase c, Ops ops) {
        Tensor x = c.input(0);
        Tensor heads = x.rank() == 3 ? x.splitHeads(c.integer("num_heads", 1)) : x;
        Tensor cos = c.input(1);
        Tensor sin = c.input(2);
        if (c.hasInput(3)) { // tables by position: take the rows that the positions name
            int[] ids = Arrays.stream(c.input(3).toLongs()).mapToInt(Math::toIntExact).toArray();
            Shape shape = Shape.of(c.input(3).dim(0), c.input(3).dim(1), cos.dim(1));
            Tensor cosRows = c.out(shape);
            Tensor sinRows = c.out(shape);
            ops.gather(cos, ids, 0, cosRows);
            ops.gather(sin, ids, 0, sinRows);
            cos = cosRows;
            sin = sinRows;
        }
        Tensor out = c.out(x.shape());
        ops.rope(heads, cos, sin, c.flag("interleaved"), x.rank() == 3 ? out.splitHeads(c.integer("num_heads", 1)) : out);
        c.check(c.output(0), out);
    }

    private static void hostileRope(GoldenCase c, Ops ops) {
        Tensor x = c.tensor("X");
        long[] positions = c.tensor("positions").toLongs();
        int half = c.integer("rotary_dim", x.dim(3)) / 2;
        Tensor cos = c.out(Shape.of(1, positions.length, half));
        Tensor sin = c.out(Shape.of(1, positions.length, half));
        for (int t = 0; t < positions.length; t++) {
            for (int i = 0; i < half; i++) {
                double angle = positions[t] * Math.pow(c.number("theta", 1e4f), -2.0 * i / (2 * half));
                cos.setFloat((float) Math.cos(angle), 0, t, i);
                sin.setFloat((float) Math.sin(angle), 0, t, i);
            }
        }
        Tensor out = c.out(x.shape());
        ops.rope(x, cos, sin, c.text("layout").equals("interleaved"), out);
        c.check("Y", out);
    }

    private static void onnxAttention(GoldenCase c, Ops ops) {
        Tensor q = byHead(c.input(0), c.integer("q_num_heads", 0));
        Tensor k = byHead(c.input(1), c.integer("kv_num_heads", 0));
        Tensor v = byHead(c.input(2), c.integer("kv_num_heads", 0));
        int batch = q.dim(0);
        int queries = q.dim(2);
        int[] first = new int[batch];
        if (c.hasInput(4)) { // what a cache held before
            Arrays.fill(first, c.input(4).dim(2));
            k = concatenated(c, c.input(4), k);
            v = concatenated(c, c.input(5), v);
        }
        int keys = k.dim(2);
        AttentionMask mask = AttentionMask.full();
        int left = c.integer("left_window_size", -1);
        int right = c.integer("right_window_size", -1);
        mask = mask.within(
                left < 0 ? AttentionMask.UNLIMITED : left,
                c.flag("is_causal") ? 0 : right < 0 ? AttentionMask.UNLIMITED : right);
        if (c.has("nonpad_kv_seqlen")) { // how much of a cache is written: the queries are its last
            int[] lengths = Arrays.stream(c.tensor("nonpad_kv_seqlen").toLongs()).mapToInt(Math::toIntExact).toArray();
            first = IntStream.range(0, batch).map(b -> lengths[b] - queries).toArray();
            mask = mask.withKeys(null, lengths);
        }
        mask = mask.atPositions(first);
        if (c.hasInput(3)) {
            Tensor given = c.input(3);
            mask = mask.with(given);
            if (given.dim(-1) > 1 && given.dim(-1) < keys) { // it leaves out keys that are not written
                k = k.slice(2, 0, given.dim(-1));
                v = v.slice(2, 0, given.dim(-1));
            }
        }
        float scale = c.number("scale", (float) (1 / Math.sqrt(q.dim(3))));
        boolean flat = c.input(0).rank() == 3;
        Tensor out = flat
                ? c.out(Shape.of(batch, queries, q.dim(1) * v.dim(3)))
                : c.out(Shape.of(batch, q.dim(1), queries, v.dim(3)));
        assertThat(keys).isPositive();
        ops.attention(q, k, v, mask, scale, c.number("softcap", 0), flat ? out.splitHeads(q.dim(1)) : out);
        c.check(c.output(0), out);
    }

    private static Tensor byHead(Tensor x, int nHeads) {
        return x.rank() == 3 ? x.splitHeads(nHeads) : x;
    }

    private static Tensor concatenated(GoldenCase c, Tensor past, Tensor now) {
        Tensor all = c.out(Shape.of(now.dim(0), now.dim(1), past.dim(2) + now.dim(2), now.dim(3)));
        all.slice(2, 0, past.dim(2)).copyFrom(past);
        all.slice(2, past.dim(2), all.dim(2)).copyFrom(now);
        return all;
    }

    private static void hostileAttention(GoldenCase c, Ops ops) {
        if (c.json().has("generator")) {
            longContext(c, ops);
            return;
        }
        Tensor q = c.tensor("Q");
        Tensor out = c.out(c.tensor("Y").shape());
        ops.attention(q, c.tensor("K"), c.tensor("V"), hostileMask(c, q.dim(0)), c.number("scale", 1), 0, out);
        c.check("Y", out);
    }

    private static AttentionMask hostileMask(GoldenCase c, int batch) {
        AttentionMask mask = AttentionMask.full();
        if (c.hasAttribute("causal_offset")) {
            int[] first = new int[batch];
            Arrays.fill(first, c.integer("causal_offset", 0));
            int window = c.integer("window", 0);
            mask = mask.within(window == 0 ? AttentionMask.UNLIMITED : window - 1, 0).atPositions(first);
        }
        return c.has("mask") ? mask.with(c.tensor("mask")) : mask;
    }

    private static void longContext(GoldenCase c, Ops ops) {
        JsonNode generator = c.json().get("generator");
        Tensor[] qkv = new Tensor[3];
        for (int i = 0; i < 3; i++) {
            String name = "QKV".substring(i, i + 1);
            qkv[i] = generated(
                    c, generator.get("shape"), generator.get("seeds").get(name).asLong(), generator.get("multiply").get(name).asDouble());
            float[] first = c.tensor(name + ".first8").toFloats();
            assertThat(Arrays.copyOf(qkv[i].toFloats(), 8)).as(name).containsExactly(first);
        }
        Tensor out = c.out(qkv[0].shape());
        ops.attention(qkv[0], qkv[1], qkv[2], hostileMask(c, 1), c.number("scale", 1), 0, out);
        long[] rows = c.tensor("rows").toLongs();
        Tensor picked = c.out(c.tensor("Y.rows").shape());
        for (int i = 0; i < rows.length; i++) {
            picked.select(0, i).copyFrom(out.select(0, 0).select(0, 0).select(0, Math.toIntExact(rows[i])));
        }
        c.check("Y.rows", picked);
        double sum = 0;
        double absolute = 0;
        for (float value : out.toFloats()) {
            sum += value;
            absolute += Math.abs(value);
        }
        c.check("Y.checksum", Tensor.copyOf(c.arena(), new float[] {(float) sum, (float) absolute}, 2));
    }

    private static Tensor generated(GoldenCase c, JsonNode shape, long seed, double factor) {
        int[] dims = IntStream.range(0, 4).map(i -> shape.get(i).asInt()).toArray();
        float[] values = new float[Math.toIntExact(Shape.of(dims).elements())];
        for (int i = 0; i < values.length; i++) {
            long z = seed + (i + 1) * 0x9E3779B97F4A7C15L;
            z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
            z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
            z ^= z >>> 31;
            values[i] = (float) ((z >>> 40) / (double) (1 << 23) - 1) * (float) factor;
        }
        return Tensor.copyOf(c.arena(), values, dims);
    }
}
