package dev.gatun.ops;

import dev.gatun.memory.DType;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.internal.Attention;
import dev.gatun.ops.internal.AttentionCall;
import dev.gatun.ops.internal.LinearTask;
import dev.gatun.ops.internal.MatMul;
import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.TileScratches;
import dev.gatun.ops.internal.WorkerPool;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
    private final Rows rows;
    private final LinearTask linear;
    private final Attention attention;
    private final AttentionCall attentionCall = new AttentionCall();
    private final MemorySegment scratch;

    Ops(MatMul matMul, Rows rows, WorkerPool pool, TileScratches tiles, Arena arena) {
        this.matMul = matMul;
        this.rows = rows;
        this.scratch = arena.allocate(matMul.scratchByteSize() * pool.threads(), Tensor.ALIGNMENT);
        this.linear = new LinearTask(matMul, pool, scratch);
        this.attention = Attention.of(matMul, rows, pool, tiles, scratch, arena);
    }

    static long scratchByteSize(MatMul matMul, int threads) {
        return matMul.scratchByteSize() * threads + Attention.scratchByteSize(matMul, threads);
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
        int m = rowCount("linear", "x", x);
        int outRows = rowCount("linear", "out", out);
        if (x.dim(-1) != weight.k() || out.dim(-1) != weight.n() || outRows != m) {
            throw new ShapeException("linear: x " + x + " · weight [" + weight.n() + "," + weight.k()
                    + "] transposed -> out " + out + ": needs [...,K] · [N,K]^T -> [...,N] with as many rows");
        }
        if (bias != null) {
            checkVector("linear", "bias", bias, weight.n());
        }
        linear.run(
                x.segment(),
                rowStride(x),
                weight,
                bias == null ? null : bias.segment(),
                out.segment(),
                rowStride(out),
                m);
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
        checkF32("matmul", "a", a);
        checkF32("matmul", "b", b);
        checkF32("matmul", "out", out);
        boolean outerFits = a.rank() == out.rank() && a.rank() >= 2 && (b.rank() == 2 || b.rank() == a.rank());
        for (int i = 0; outerFits && i < a.rank() - 2; i++) {
            outerFits = a.dim(i) == out.dim(i) && (b.rank() == 2 || b.dim(i) == a.dim(i));
        }
        if (!outerFits || a.dim(-1) != b.dim(-2) || a.dim(-2) != out.dim(-2) || b.dim(-1) != out.dim(-1)) {
            throw new ShapeException("matmul: a " + a + " · b " + b + " -> out " + out
                    + ": needs [...,M,K] · [...,K,N] -> [...,M,N] with equal outer dimensions");
        }
        boolean transposed = b.stride(-1) != 1 && b.dim(-1) > 1;
        if (a.stride(-1) != 1 && a.dim(-1) > 1
                || out.stride(-1) != 1 && out.dim(-1) > 1
                || transposed && b.stride(-2) != 1 && b.dim(-2) > 1) {
            throw new ShapeException("matmul: a " + a + " · b " + b + " -> out " + out
                    + ": rows of a and out, rows or columns of b must have adjacent elements");
        }
        if (out.elements() > 0) {
            matmul(a, b, transposed, out, 0, 0, 0, 0);
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
                scratch,
                0);
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
        checkHeads("attention", "q", q);
        checkHeads("attention", "k", k);
        checkHeads("attention", "v", v);
        checkHeads("attention", "out", out);
        int nKvHeads = k.dim(1);
        if (k.dim(0) != q.dim(0)
                || v.dim(0) != q.dim(0)
                || out.dim(0) != q.dim(0)
                || nKvHeads == 0
                || q.dim(1) % nKvHeads != 0
                || v.dim(1) != nKvHeads
                || out.dim(1) != q.dim(1)
                || v.dim(2) != k.dim(2)
                || out.dim(2) != q.dim(2)
                || k.dim(3) != q.dim(3)
                || out.dim(3) != v.dim(3)) {
            throw new ShapeException("attention: q " + q + ", k " + k + ", v " + v + " -> out " + out
                    + ": needs [B,H,T,dK], [B,KV,S,dK], [B,KV,S,dV] -> [B,H,T,dV] with KV dividing H");
        }
        if (q.dim(1) > attention.maxHeads()) {
            throw new ShapeException("attention: q " + q + " has more than " + attention.maxHeads() + " heads");
        }
        mask.check(q.dim(0), q.dim(1), q.dim(2), k.dim(2));
        if (out.elements() > 0) {
            attentionCall.set(q, k, v, mask, scale, softCap, out);
            attention.run(attentionCall);
        }
    }

    /** out = softmax of each row; a row of only -inf gives zeros. x and out may be the same. */
    public void softmax(Tensor x, Tensor out) {
        int n = same("softmax", "x", x, "out", out);
        rows.softmax(x.segment(), 0, rowStride(x), out.segment(), 0, rowStride(out), n, x.dim(-1));
    }

    /** out = log of softmax of each row. x and out may be the same. */
    public void logSoftmax(Tensor x, Tensor out) {
        int n = same("logSoftmax", "x", x, "out", out);
        rows.logSoftmax(x.segment(), 0, rowStride(x), out.segment(), 0, rowStride(out), n, x.dim(-1));
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
        rows.layerNorm(
                x.segment(),
                0,
                rowStride(x),
                weight.segment(),
                0,
                bias == null ? null : bias.segment(),
                0,
                epsilon,
                out.segment(),
                0,
                rowStride(out),
                n,
                x.dim(-1));
    }

    /** out = x / sqrt(mean(x&sup2;) + epsilon) &middot; weight of each row (Zhang &amp; Sennrich 2019). x and out may be the same. */
    public void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out) {
        int n = same("rmsNorm", "x", x, "out", out);
        checkVector("rmsNorm", "weight", weight, x.dim(-1));
        rows.rmsNorm(
                x.segment(),
                0,
                rowStride(x),
                weight.segment(),
                0,
                epsilon,
                out.segment(),
                0,
                rowStride(out),
                n,
                x.dim(-1));
    }

    /** out = activation(x), element by element. x and out may be the same. */
    public void activate(Activation activation, Tensor x, Tensor out) {
        int n = same("activate", "x", x, "out", out);
        rows.activate(activation, x.segment(), 0, rowStride(x), out.segment(), 0, rowStride(out), n, x.dim(-1));
    }

    /** out = a + b; b may be one row [D] for all rows of a. out may be a or b. */
    public void add(Tensor a, Tensor b, Tensor out) {
        int n = same("add", "a", a, "out", out);
        rows.add(
                a.segment(),
                0,
                rowStride(a),
                b.segment(),
                0,
                otherStride("add", a, b),
                out.segment(),
                0,
                rowStride(out),
                n,
                a.dim(-1));
    }

    /** out = a &middot; b, element by element; b may be one row [D] for all rows of a. out may be a or b. */
    public void multiply(Tensor a, Tensor b, Tensor out) {
        int n = same("multiply", "a", a, "out", out);
        rows.multiply(
                a.segment(),
                0,
                rowStride(a),
                b.segment(),
                0,
                otherStride("multiply", a, b),
                out.segment(),
                0,
                rowStride(out),
                n,
                a.dim(-1));
    }

    /** out = factor &middot; x. x and out may be the same. */
    public void scale(float factor, Tensor x, Tensor out) {
        int n = same("scale", "x", x, "out", out);
        rows.scale(factor, x.segment(), 0, rowStride(x), out.segment(), 0, rowStride(out), n, x.dim(-1));
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
        long f = Float.BYTES;
        for (int b = 0; b < x.dim(0); b++) {
            int table = cos.dim(0) == 1 ? 0 : b;
            for (int h = 0; h < x.dim(1); h++) {
                rows.rope(
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
        for (int i = 0; i < n; i++) {
            int id = ids[from + i];
            if (id < 0 || id >= table.dim(0)) {
                throw new IndexOutOfBoundsException(
                        "gather: id " + id + " at index " + (from + i) + " is not 0 to " + (table.dim(0) - 1));
            }
            table.widenRow(id, out.segment(), i * rowStride(out));
        }
    }

    /** Index of the largest element of a vector [N]; the lowest index wins a tie. */
    public int argMax(Tensor x) {
        checkF32("argMax", "x", x);
        if (x.rank() != 1 || x.dim(0) == 0 || x.stride(0) != 1 && x.dim(0) > 1) {
            throw new ShapeException("argMax: x " + x + " must be [N] with N at least 1 and adjacent elements");
        }
        return rows.argMax(x.segment(), 0, x.dim(0));
    }

    /** How many rows a tensor [..., D] has, after checking that it has rows. */
    private static int rowCount(String op, String name, Tensor t) {
        checkF32(op, name, t);
        if (t.rank() < 1 || t.stride(-1) != 1 && t.dim(-1) > 1) {
            throw new ShapeException(op + ": " + name + " " + t + " must be [...,D], elements of a row adjacent");
        }
        long n = 1;
        long first = 0; // stride of the innermost dimension that has more than one index
        for (int i = t.rank() - 2; i >= 0; i--) {
            if (t.dim(i) == 1) {
                continue; // its stride leads nowhere
            }
            if (n == 1) {
                first = t.stride(i);
            } else if (t.stride(i) != first * n && t.elements() > 0) {
                throw new ShapeException(op + ": " + name + " " + t + ": rows must be evenly spaced");
            }
            n *= t.dim(i);
        }
        return Math.toIntExact(n);
    }

    /** Bytes from one row to the next, of a tensor that {@link #rowCount} has checked. */
    private static long rowStride(Tensor t) {
        for (int i = t.rank() - 2; i >= 0; i--) {
            if (t.dim(i) > 1) {
                return t.stride(i) * Float.BYTES;
            }
        }
        return t.dim(-1) * (long) Float.BYTES;
    }

    /** Bytes from one row of a matrix to the next. A single row may have any stride; BLAS wants at least its length. */
    private static long matrixStride(Tensor t, int row, int col) {
        return (t.dim(row) > 1 ? t.stride(row) : t.dim(col)) * Float.BYTES;
    }

    private static int same(String op, String name, Tensor t, String otherName, Tensor other) {
        int n = rowCount(op, name, t);
        rowCount(op, otherName, other);
        if (!t.shape().equals(other.shape())) {
            throw new ShapeException(
                    op + ": " + name + " " + t + " and " + otherName + " " + other + " must have the same shape");
        }
        return n;
    }

    private static long otherStride(String op, Tensor a, Tensor b) {
        if (b.rank() == 1 && a.rank() > 1) {
            checkVector(op, "b", b, a.dim(-1));
            return 0;
        }
        same(op, "a", a, "b", b);
        return rowStride(b);
    }

    private static void checkF32(String op, String name, Tensor t) {
        if (t.dtype() != DType.F32) {
            throw new ShapeException(op + ": " + name + " " + t + " must be F32");
        }
    }

    private static void checkVector(String op, String name, Tensor t, int size) {
        checkF32(op, name, t);
        if (t.rank() != 1 || t.dim(0) != size || t.stride(0) != 1 && size > 1) {
            throw new ShapeException(op + ": " + name + " " + t + " must be [" + size + "] with adjacent elements");
        }
    }

    private static void checkHeads(String op, String name, Tensor t) {
        checkF32(op, name, t);
        if (t.rank() != 4 || t.stride(3) != 1 && t.dim(3) > 1) {
            throw new ShapeException(
                    op + ": " + name + " " + t + " must be [batch,heads,ctx,d], elements of a row adjacent");
        }
    }
}
