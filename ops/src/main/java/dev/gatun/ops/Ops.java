package dev.gatun.ops;

import static dev.gatun.ops.Operands.checkAttention;
import static dev.gatun.ops.Operands.checkF32;
import static dev.gatun.ops.Operands.checkHeads;
import static dev.gatun.ops.Operands.checkLinear;
import static dev.gatun.ops.Operands.checkMatmul;
import static dev.gatun.ops.Operands.checkPackedAttention;
import static dev.gatun.ops.Operands.checkPagedAttention;
import static dev.gatun.ops.Operands.checkVector;
import static dev.gatun.ops.Operands.matrixStride;
import static dev.gatun.ops.Operands.otherStride;
import static dev.gatun.ops.Operands.rowCount;
import static dev.gatun.ops.Operands.rowStride;
import static dev.gatun.ops.Operands.same;

import dev.gatun.memory.QuantizedBlock;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.OpEvents.AttentionEvent;
import dev.gatun.ops.OpEvents.ProductEvent;
import dev.gatun.ops.OpEvents.RowsEvent;
import dev.gatun.ops.internal.Attention;
import dev.gatun.ops.internal.AttentionCall;
import dev.gatun.ops.internal.LinearTask;
import dev.gatun.ops.internal.Linears;
import dev.gatun.ops.internal.MatMul;
import dev.gatun.ops.internal.ProductScratch;
import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.RowsTask;
import dev.gatun.ops.internal.TileScratches;
import dev.gatun.ops.internal.TopK;
import dev.gatun.ops.internal.WorkerPool;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * The operators of the Transformer. Each checks its operands, then lets the {@link Backend} compute. All tensors are F32 unless
 * said otherwise; the destination comes last. "Rows" means that the last dimension's elements are adjacent and that all outer
 * dimensions are evenly spaced, as in any contiguous tensor and in a slice of columns of one.
 *
 * <p>A session has its own instance: it holds the session's scratch memory and serves one call at a time. No call allocates.
 * Memory belongs to the arena given to {@link Backend#newOps}; the threads to the backend.
 */
public final class Ops {
    private final MatMul matMul;
    private final Linears linears;
    private final Rows rows;
    private final RowsTask rowsTask;
    private final LinearTask linear;
    private final Attention attention;
    private final AttentionCall attentionCall = new AttentionCall();
    private final QuantizedBlock block = new QuantizedBlock();
    private final ProductScratch[] scratch;
    private final TopK topK;
    private final @Nullable AutoOps auto;

    Ops(MatMul matMul, Rows rows, WorkerPool pool, TileScratches tiles, Arena arena) {
        this(matMul, matMul, rows, pool, tiles, arena, null);
    }

    /**
     * With what multiplies activations and what multiplies weights.
     *
     * @param auto chooses, where it can, between itself and the others; or null
     */
    Ops(
            MatMul matMul,
            Linears linears,
            Rows rows,
            WorkerPool pool,
            TileScratches tiles,
            Arena arena,
            @Nullable AutoOps auto) {
        this.matMul = auto == null ? matMul : auto.products();
        this.linears = linears;
        this.rows = rows;
        this.rowsTask = new RowsTask(rows, pool);
        this.topK = new TopK(pool);
        this.auto = auto;
        this.scratch = ProductScratch.of(threadByteSize(matMul, linears), pool.threads(), arena);
        this.linear = new LinearTask(linears, rows, pool, scratch);
        this.attention = Attention.of(matMul, rows, pool, tiles, scratch, arena);
    }

    private static long threadByteSize(MatMul matMul, Linears linears) {
        return Math.max(matMul.scratchByteSize(), linears.scratchByteSize());
    }

    static long scratchByteSize(MatMul matMul, Linears linears, int threads) {
        return threadByteSize(matMul, linears) * threads + Attention.scratchByteSize(matMul, threads);
    }

    /**
     * out = x W<sup>T</sup> + bias.
     *
     * @param x rows [..., K]
     * @param weight W [N, K], packed by this backend
     * @param bias [N], or null
     * @param out rows [..., N], as many as x has; must not overlap x
     * @throws ShapeException if shapes or types do not fit
     */
    public void linear(Tensor x, PackedWeight weight, @Nullable Tensor bias, Tensor out) {
        run(x, weight, bias, null, null, out);
    }

    /** out = activation(x W<sup>T</sup> + bias), as {@link #linear} and {@link #activate}, in one pass over out. */
    public void linear(Tensor x, PackedWeight weight, @Nullable Tensor bias, Activation activation, Tensor out) {
        run(x, weight, bias, null, activation, out);
    }

    /**
     * out = x W<sup>T</sup> + bias + residual, as {@link #linear} and {@link #add}, in one pass over out.
     *
     * @param residual rows [..., N]; may be out
     */
    public void linearAdd(Tensor x, PackedWeight weight, @Nullable Tensor bias, Tensor residual, Tensor out) {
        same("linearAdd", "residual", residual, "out", out);
        run(x, weight, bias, residual, null, out);
    }

    private void run(
            Tensor x,
            PackedWeight weight,
            @Nullable Tensor bias,
            @Nullable Tensor residual,
            @Nullable Activation activation,
            Tensor out) {
        int m = checkLinear(x, weight, bias, out);
        ProductEvent event = OpEvents.linear();
        int way = auto == null ? AutoOps.NO_CHOICE : auto.choose(m, weight, weight);
        long start = AutoOps.start(way);
        task(way)
                .run(
                        x.segment(),
                        rowStride(x),
                        AutoOps.chosen(way, weight),
                        bias == null ? null : bias.segment(),
                        residual == null ? null : residual.segment(),
                        residual == null ? 0 : rowStride(residual),
                        activation,
                        out.segment(),
                        rowStride(out),
                        m);
        AutoOps.report(way, start, m, 1, weight);
        PackedWeight used = AutoOps.chosen(way, weight);
        long added = residual == null ? 0 : residual.elements();
        OpEvents.end(event, linearName(way), 1, m, weight.n(), weight.k(), 1, (double) used.byteSize(), added);
    }

    private LinearTask task(int way) {
        return auto == null || AutoOps.isVector(way) ? linear : auto.openBlas();
    }

    /**
     * out = activation(x Wg<sup>T</sup> + gateBias) &middot; (x Wu<sup>T</sup> + upBias), element by element (Shazeer 2020: SwiGLU
     * with {@link Activation#SILU}, GeGLU with {@link Activation#GELU}), as two {@link #linear}, {@link #activate} and {@link
     * #multiply}, without a buffer for the second product.
     *
     * @param x rows [..., K]
     * @param gate Wg [N, K], packed by this backend
     * @param gateBias [N], or null
     * @param up Wu [N, K], packed by this backend
     * @param upBias [N], or null
     * @param out rows [..., N], as many as x has; must not overlap x
     * @throws ShapeException if shapes or types do not fit
     */
    public void linearGated(
            Tensor x,
            PackedWeight gate,
            @Nullable Tensor gateBias,
            Activation activation,
            PackedWeight up,
            @Nullable Tensor upBias,
            Tensor out) {
        int m = checkLinear(x, gate, gateBias, out);
        checkLinear(x, up, upBias, out);
        ProductEvent event = OpEvents.linearGated();
        int way = auto == null ? AutoOps.NO_CHOICE : auto.choose(m, gate, up);
        long start = AutoOps.start(way);
        task(way)
                .runGated(
                        x.segment(),
                        rowStride(x),
                        AutoOps.chosen(way, gate),
                        gateBias == null ? null : gateBias.segment(),
                        activation,
                        AutoOps.chosen(way, up),
                        upBias == null ? null : upBias.segment(),
                        out.segment(),
                        rowStride(out),
                        m);
        AutoOps.report(way, start, m, 2, gate);
        PackedWeight used = AutoOps.chosen(way, gate);
        OpEvents.end(event, linearName(way), 1, m, gate.n(), gate.k(), 2, (double) used.byteSize(), 0);
    }

    /**
     * out = a b for each index of the outer dimensions.
     *
     * @param a [..., M, K], elements of a row adjacent
     * @param b [..., K, N], elements of a row or of a column adjacent (so b may be a transposed view); without outer dimensions
     *     it serves for all of a
     * @param out [..., M, N], elements of a row adjacent; overlaps neither
     * @throws ShapeException if shapes or types do not fit
     */
    public void matmul(Tensor a, Tensor b, Tensor out) {
        boolean transposed = checkMatmul(a, b, out);
        if (out.elements() > 0) {
            ProductEvent event = OpEvents.matMul();
            matmul(a, b, transposed, out, 0, 0, 0, 0);
            long batch = out.elements() / out.dim(-2) / out.dim(-1);
            double bBytes = (double) Float.BYTES * b.elements();
            OpEvents.end(event, matMul.name(), batch, a.dim(-2), b.dim(-1), a.dim(-1), 1, bBytes, 0);
        }
    }

    /** One index of all dimensions before {@code dim}, given as bytes to skip. */
    private void matmul(Tensor a, Tensor b, boolean transposed, Tensor out, int dim, long aAt, long bAt, long outAt) {
        boolean batched = dim < a.rank() - 2;
        long aBatch = batched ? a.stride(dim) * Float.BYTES : 0;
        long bBatch = batched && b.rank() > 2 ? b.stride(dim) * Float.BYTES : 0;
        long outBatch = batched ? out.stride(dim) * Float.BYTES : 0;
        if (dim < a.rank() - 3) {
            for (int i = 0; i < a.dim(dim); i++) {
                matmul(a, b, transposed, out, dim + 1, aAt + i * aBatch, bAt + i * bBatch, outAt + i * outBatch);
            }
            return;
        }
        matMul.multiply(
                batched ? a.dim(dim) : 1,
                a.dim(-2),
                b.dim(-1),
                a.dim(-1),
                1f,
                a.segment(),
                aAt,
                aBatch,
                matrixStride(a, -2, -1),
                b.segment(),
                bAt,
                bBatch,
                transposed ? matrixStride(b, -1, -2) : matrixStride(b, -2, -1),
                transposed,
                false,
                out.segment(),
                outAt,
                outBatch,
                matrixStride(out, -2, -1),
                scratch[0]);
    }

    /**
     * Scaled dot-product attention of all heads: out = softmax(q k<sup>T</sup> &middot; scale) v over the keys that the mask lets
     * through (Vaswani et al. 2017, section 3.2.1). Memory does not grow with queries or keys.
     *
     * @param q [batch, nHeads, queries, dK]
     * @param k [batch, nKvHeads, keys, dK]; nKvHeads divides nHeads, and query head h uses key head h / (nHeads / nKvHeads)
     * @param v [batch, nKvHeads, keys, dV]
     * @param scale usually 1 / sqrt(dK)
     * @param softCap above 0: scores become softCap &middot; tanh(score / softCap) before the mask; 0 for none
     * @param out [batch, nHeads, queries, dV]; overlaps none of the others. All four may be strided (head-split) views whose
     *     last dimension is adjacent.
     * @throws ShapeException if shapes or types do not fit
     */
    public void attention(Tensor q, Tensor k, Tensor v, AttentionMask mask, float scale, float softCap, Tensor out) {
        checkAttention(q, k, v, out);
        if (q.dim(1) > attention.maxHeads()) {
            throw new ShapeException("attention: q " + q + " has more than " + attention.maxHeads() + " heads");
        }
        mask.check(q.dim(0), q.dim(1), q.dim(2), k.dim(2));
        if (out.elements() > 0) {
            attentionCall.set(q, k, v, mask, scale, softCap, out);
            attend(true);
        }
    }

    private void attend(boolean choose) {
        AttentionEvent event = OpEvents.attention();
        int way = AutoOps.NO_CHOICE;
        if (auto == null) {
            attention.run(attentionCall);
        } else if (choose) {
            way = auto.attention(attention, attentionCall);
        } else {
            way = auto.pagedAttention(attention, attentionCall);
        }
        OpEvents.end(event, name(way), attentionCall);
    }

    /** Who multiplied with a weight. */
    private String linearName(int way) {
        return linears instanceof MatMul ? name(way) : linears.name();
    }

    /** Who computed. */
    private String name(int way) {
        return auto == null ? matMul.name() : AutoOps.isVector(way) ? "vector" : "openblas";
    }

    /**
     * The same over keys and values in pages: sequence b's key j is row j % rows of page {@code pages[b][j / rows]}.
     *
     * @param k [nPages, nKvHeads, rows, dK]; pages of one row are indices, so that a sequence is any rows in any order. Rows may be in
     *     any {@link dev.gatun.memory.RowFormat}, whose columns are the last dimension then; results are those of the floats they stand for
     * @param v [nPages, nKvHeads, rows, dV], likewise
     * @param pages for each sequence its pages, at least as many as its keys need
     * @param mask has the number of keys of each sequence ({@link AttentionMask#withKeys}), the first being key 0
     * @throws ShapeException if shapes or types do not fit, or a sequence has too few pages
     */
    public void attention(
            Tensor q, Tensor k, Tensor v, int[][] pages, AttentionMask mask, float scale, float softCap, Tensor out) {
        checkPagedAttention(q, k, v, pages, mask, attention.maxHeads(), out);
        if (out.elements() > 0) {
            attentionCall.setPaged(q, k, v, pages, mask, scale, softCap, out);
            attend(false);
        }
    }

    /**
     * The same for sequences of any lengths one after another, each attending to itself: sequence s is tokens {@code starts[s]} to
     * {@code starts[s + 1] - 1}. Each gives the bits that it gives alone where
     * the backend promises bits at all.
     *
     * @param q [tokens, nHeads, dK]
     * @param k [tokens, nKvHeads, dK]
     * @param v [tokens, nKvHeads, dV]
     * @param starts {@code sequences} + 1 of them, ascending; rows of out that are in no sequence stay as they are
     * @param mask full, causal or {@linkplain AttentionMask#within within a window}, from each sequence's own first token; its
     *     tensor, if it has one, is for one sequence, and of as many queries and keys as the longest one at least
     * @param out [tokens, nHeads, dV]
     * @throws ShapeException if shapes or types do not fit
     */
    public void attentionPacked(
            Tensor q,
            Tensor k,
            Tensor v,
            int[] starts,
            int sequences,
            AttentionMask mask,
            float scale,
            float softCap,
            Tensor out) {
        checkPackedAttention(q, k, v, starts, sequences, attention.maxHeads(), out);
        mask.checkPacked(q.dim(1), starts, sequences);
        if (out.elements() > 0) {
            attentionCall.setPacked(q, k, v, starts, sequences, mask, scale, softCap, out);
            attend(true);
        }
    }

    /** x = cap &middot; tanh(x / cap), element by element, in place: the soft cap of Gemma 2's logits. */
    public void softCap(float cap, Tensor x) {
        int n = rowCount("softCap", "x", x);
        RowsEvent event = OpEvents.softCap();
        rows.softCap(cap, x.segment(), 0, rowStride(x), n, x.dim(-1));
        OpEvents.end(event, rows.name(), n, x.dim(-1), OpEvents.flop(Activation.TANH), 2.0 * x.elements());
    }

    /** out = softmax of each row; a row of only -inf gives zeros. x and out may be the same. */
    public void softmax(Tensor x, Tensor out) {
        int n = same("softmax", "x", x, "out", out);
        RowsEvent event = OpEvents.softmax();
        rowsTask.softmax(x.segment(), rowStride(x), out.segment(), rowStride(out), n, x.dim(-1));
        OpEvents.end(event, rows.name(), n, x.dim(-1), 20, 2.0 * x.elements());
    }

    /** out = log of softmax of each row. x and out may be the same. */
    public void logSoftmax(Tensor x, Tensor out) {
        int n = same("logSoftmax", "x", x, "out", out);
        RowsEvent event = OpEvents.logSoftmax();
        rowsTask.logSoftmax(x.segment(), rowStride(x), out.segment(), rowStride(out), n, x.dim(-1));
        OpEvents.end(event, rows.name(), n, x.dim(-1), 21, 2.0 * x.elements());
    }

    /**
     * out = (x - mean) / sqrt(variance + epsilon) &middot; weight + bias of each row (Ba et al. 2016). x and out may be the same.
     *
     * @param weight [D]
     * @param bias [D], or null
     */
    public void layerNorm(Tensor x, Tensor weight, @Nullable Tensor bias, float epsilon, Tensor out) {
        int n = same("layerNorm", "x", x, "out", out);
        checkVector("layerNorm", "weight", weight, x.dim(-1));
        if (bias != null) {
            checkVector("layerNorm", "bias", bias, x.dim(-1));
        }
        RowsEvent event = OpEvents.layerNorm();
        rowsTask.layerNorm(
                x.segment(),
                rowStride(x),
                weight.segment(),
                bias == null ? null : bias.segment(),
                epsilon,
                out.segment(),
                rowStride(out),
                n,
                x.dim(-1));
        OpEvents.end(event, rows.name(), n, x.dim(-1), 8, 2.0 * x.elements());
    }

    /** out = x / sqrt(mean(x&sup2;) + epsilon) &middot; weight of each row (Zhang &amp; Sennrich 2019). x and out may be the same. */
    public void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out) {
        int n = same("rmsNorm", "x", x, "out", out);
        checkVector("rmsNorm", "weight", weight, x.dim(-1));
        RowsEvent event = OpEvents.rmsNorm();
        rowsTask.rmsNorm(
                x.segment(), rowStride(x), weight.segment(), epsilon, out.segment(), rowStride(out), n, x.dim(-1));
        OpEvents.end(event, rows.name(), n, x.dim(-1), 5, 2.0 * x.elements());
    }

    /** out = activation(x), element by element. x and out may be the same. */
    public void activate(Activation activation, Tensor x, Tensor out) {
        int n = same("activate", "x", x, "out", out);
        RowsEvent event = OpEvents.activate(activation);
        rowsTask.activate(activation, x.segment(), rowStride(x), out.segment(), rowStride(out), n, x.dim(-1));
        OpEvents.end(event, rows.name(), n, x.dim(-1), OpEvents.flop(activation), 2.0 * x.elements());
    }

    /** out = a + b; b may be one row [D] for all rows of a. out may be a or b. */
    public void add(Tensor a, Tensor b, Tensor out) {
        int n = same("add", "a", a, "out", out);
        long bStride = otherStride("add", a, b);
        RowsEvent event = OpEvents.add();
        rowsTask.combine(
                false, a.segment(), rowStride(a), b.segment(), bStride, out.segment(), rowStride(out), n, a.dim(-1));
        OpEvents.end(event, rows.name(), n, a.dim(-1), 1, 2.0 * a.elements() + b.elements());
    }

    /** out = a &middot; b, element by element; b may be one row [D] for all rows of a. out may be a or b. */
    public void multiply(Tensor a, Tensor b, Tensor out) {
        int n = same("multiply", "a", a, "out", out);
        long bStride = otherStride("multiply", a, b);
        RowsEvent event = OpEvents.multiply();
        rowsTask.combine(
                true, a.segment(), rowStride(a), b.segment(), bStride, out.segment(), rowStride(out), n, a.dim(-1));
        OpEvents.end(event, rows.name(), n, a.dim(-1), 1, 2.0 * a.elements() + b.elements());
    }

    /** out = factor &middot; x. x and out may be the same. */
    public void scale(float factor, Tensor x, Tensor out) {
        int n = same("scale", "x", x, "out", out);
        RowsEvent event = OpEvents.scale();
        rowsTask.scale(factor, x.segment(), rowStride(x), out.segment(), rowStride(out), n, x.dim(-1));
        OpEvents.end(event, rows.name(), n, x.dim(-1), 1, 2.0 * x.elements());
    }

    /**
     * Rotary positions (Su et al. 2021): turns the first rotaryDim elements of each row of x [batch, heads, ctx, d] by the angles
     * of its position and copies the rest.
     *
     * @param cos [batch or 1, ctx, rotaryDim / 2], row t belonging to token t of the sequence
     * @param sin likewise
     * @param interleaved pairs are (2i, 2i + 1), else (i, i + rotaryDim / 2)
     * @param out as x; may be x
     */
    public void rope(Tensor x, Tensor cos, Tensor sin, boolean interleaved, Tensor out) {
        checkHeads("rope", "x", x);
        checkHeads("rope", "out", out);
        checkF32("rope", "cos", cos);
        checkF32("rope", "sin", sin);
        if (!x.shape().equals(out.shape())
                || cos.rank() != 3
                || !cos.shape().equals(sin.shape())
                || cos.dim(0) != 1 && cos.dim(0) != x.dim(0)
                || cos.dim(1) != x.dim(2)
                || cos.dim(2) * 2L > x.dim(3)
                || cos.stride(2) != 1 && cos.dim(2) > 1
                || sin.stride(2) != cos.stride(2)
                || sin.stride(1) != cos.stride(1)) {
            throw new ShapeException("rope: x " + x + ", cos " + cos + ", sin " + sin + " -> out " + out
                    + ": needs [B,H,T,d], [B or 1,T,r/2] twice -> [B,H,T,d] with r <= d");
        }
        RowsEvent event = OpEvents.rope();
        long f = Float.BYTES;
        for (int b = 0; b < x.dim(0); b++) {
            int table = cos.dim(0) == 1 ? 0 : b;
            for (int h = 0; h < x.dim(1); h++) {
                rowsTask.rope(
                        x.segment(),
                        (b * x.stride(0) + h * x.stride(1)) * f,
                        x.stride(2) * f,
                        cos.segment(),
                        table * cos.stride(0) * f,
                        sin.segment(),
                        table * sin.stride(0) * f,
                        cos.stride(1) * f,
                        cos.dim(2) * 2,
                        interleaved,
                        out.segment(),
                        (b * out.stride(0) + h * out.stride(1)) * f,
                        out.stride(2) * f,
                        x.dim(2),
                        x.dim(3));
            }
        }
        long n = (long) x.dim(0) * x.dim(1) * x.dim(2);
        OpEvents.end(event, rows.name(), n, x.dim(3), 3, 2.0 * x.elements() + 2.0 * cos.elements());
    }

    /**
     * Embedding: row i of out = row ids[from + i] of the table, widened to F32.
     *
     * @param table [V, D] of any floating-point type
     * @param out rows [..., D]; as many ids are taken as it has rows
     * @throws IndexOutOfBoundsException if an id is not 0 to V - 1
     */
    public void gather(Tensor table, int[] ids, int from, Tensor out) {
        int n = rowCount("gather", "out", out);
        if (table.rank() != 2
                || table.dim(1) != out.dim(-1)
                || table.stride(1) != 1 && table.dim(1) > 1
                || !table.dtype().isFloat()
                || from < 0
                || from > ids.length - n) {
            throw new ShapeException("gather: table " + table + ", ids " + from + " to " + (from + n) + " of "
                    + ids.length + " -> out " + out + ": needs [V,D] and an id for each row [D]");
        }
        RowsEvent event = OpEvents.gather();
        for (int i = 0; i < n; i++) {
            table.widenRow(checkId(ids, from + i, table.dim(0)), out.segment(), i * rowStride(out));
        }
        OpEvents.end(event, rows.name(), n, out.dim(-1), 0, 2.0 * out.elements());
    }

    /**
     * Embedding from a quantised table, as {@link #gather(Tensor, int[], int, Tensor)}.
     *
     * @param table [V, D]
     */
    public void gather(QuantizedMatrix table, int[] ids, int from, Tensor out) {
        int n = rowCount("gather", "out", out);
        if (table.k() != out.dim(-1) || from < 0 || from > ids.length - n) {
            throw new ShapeException("gather: table " + table + ", ids " + from + " to " + (from + n) + " of "
                    + ids.length + " -> out " + out + ": needs [V,D] and an id for each row [D]");
        }
        RowsEvent event = OpEvents.gather();
        for (int i = 0; i < n; i++) {
            int id = checkId(ids, from + i, table.n());
            table.widenRow(id, block, out.segment(), i * rowStride(out));
        }
        OpEvents.end(event, rows.name(), n, out.dim(-1), 0, 2.0 * out.elements());
    }

    private static int checkId(int[] ids, int index, int rows) {
        int id = ids[index];
        if (id < 0 || id >= rows) {
            throw new IndexOutOfBoundsException(
                    "gather: id " + id + " at index " + index + " is not 0 to " + (rows - 1));
        }
        return id;
    }

    /** Index of the largest element of a vector [N]; the lowest index wins a tie. */
    public int argMax(Tensor x) {
        checkF32("argMax", "x", x);
        if (x.rank() != 1 || x.dim(0) == 0 || x.stride(0) != 1 && x.dim(0) > 1) {
            throw new ShapeException("argMax: x " + x + " must be [N] with N at least 1 and adjacent elements");
        }
        RowsEvent event = OpEvents.argMax();
        int best = rows.argMax(x.segment(), 0, x.dim(0));
        OpEvents.end(event, rows.name(), 1, x.dim(0), 1, x.dim(0));
        return best;
    }

    /**
     * The k largest elements of each row, largest first; of equals the one with the lower index. NaN is none of them.
     *
     * @param x rows [..., N]
     * @param indices the first rows times k are written: where each stands in its row, -1 where a row has fewer than k numbers
     * @param values likewise: the elements, -inf where there is none
     * @throws ShapeException if x is not rows of F32, or k is below 1, or there is no room
     */
    public void topK(Tensor x, int k, int[] indices, float[] values) {
        int n = rowCount("topK", "x", x);
        if (k < 1 || indices.length < (long) n * k || values.length < (long) n * k) {
            throw new ShapeException("topK: x " + x + ", k " + k + ": needs k above 0 and room for " + n + " x " + k
                    + " results, not " + indices.length + " and " + values.length);
        }
        RowsEvent event = OpEvents.argMax();
        topK.run(x.segment(), rowStride(x), n, x.dim(-1), k, indices, values);
        OpEvents.end(event, "scalar", n, x.dim(-1), 1, (double) x.elements());
    }
}
