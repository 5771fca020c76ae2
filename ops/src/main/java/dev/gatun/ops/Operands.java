package dev.gatun.ops;

import dev.gatun.memory.DType;
import dev.gatun.memory.RowFormat;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import org.jspecify.annotations.Nullable;

/** What the operators of {@link Ops} ask of their operands. */
final class Operands {
    private Operands() {}

    /** How many rows a tensor [..., D] has, after checking that it has rows. */
    static int rowCount(String op, String name, Tensor t) {
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
    static long rowStride(Tensor t) {
        for (int i = t.rank() - 2; i >= 0; i--) {
            if (t.dim(i) > 1) {
                return t.stride(i) * Float.BYTES;
            }
        }
        return t.dim(-1) * (long) Float.BYTES;
    }

    /** Bytes from one row of a matrix to the next. A single row may have any stride; BLAS wants at least its length. */
    static long matrixStride(Tensor t, int row, int col) {
        return (t.dim(row) > 1 ? t.stride(row) : t.dim(col)) * Float.BYTES;
    }

    /** The number of rows of two tensors, after checking that they are rows of the same shape. */
    static int same(String op, String name, Tensor t, String otherName, Tensor other) {
        int n = rowCount(op, name, t);
        rowCount(op, otherName, other);
        if (!t.shape().equals(other.shape())) {
            throw new ShapeException(
                    op + ": " + name + " " + t + " and " + otherName + " " + other + " must have the same shape");
        }
        return n;
    }

    /** Bytes from row to row of b: 0 if it is one row for all rows of a. */
    static long otherStride(String op, Tensor a, Tensor b) {
        if (b.rank() == 1 && a.rank() > 1) {
            checkVector(op, "b", b, a.dim(-1));
            return 0;
        }
        same(op, "a", a, "b", b);
        return rowStride(b);
    }

    static void checkF32(String op, String name, Tensor t) {
        if (t.dtype() != DType.F32) {
            throw new ShapeException(op + ": " + name + " " + t + " must be F32");
        }
    }

    static void checkVector(String op, String name, Tensor t, int size) {
        checkF32(op, name, t);
        if (t.rank() != 1 || t.dim(0) != size || t.stride(0) != 1 && size > 1) {
            throw new ShapeException(op + ": " + name + " " + t + " must be [" + size + "] with adjacent elements");
        }
    }

    static void checkHeads(String op, String name, Tensor t) {
        checkF32(op, name, t);
        if (t.rank() != 4 || t.stride(3) != 1 && t.dim(3) > 1) {
            throw new ShapeException(
                    op + ": " + name + " " + t + " must be [batch,heads,ctx,d], elements of a row adjacent");
        }
    }

    /** The number of rows of x. */
    static int checkLinear(Tensor x, PackedWeight weight, @Nullable Tensor bias, Tensor out) {
        int m = rowCount("linear", "x", x);
        int outRows = rowCount("linear", "out", out);
        if (x.dim(-1) != weight.k() || out.dim(-1) != weight.n() || outRows != m) {
            throw new ShapeException("linear: x " + x + " · weight [" + weight.n() + "," + weight.k()
                    + "] transposed -> out " + out + ": needs [...,K] · [N,K]^T -> [...,N] with as many rows");
        }
        if (bias != null) {
            checkVector("linear", "bias", bias, weight.n());
        }
        return m;
    }

    /** Whether the columns of b have adjacent elements, not its rows. */
    static boolean checkMatmul(Tensor a, Tensor b, Tensor out) {
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
        return transposed;
    }

    static void checkAttention(Tensor q, Tensor k, Tensor v, Tensor out) {
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
    }

    static void checkPagedAttention(
            Tensor q, Tensor k, Tensor v, int[][] pages, AttentionMask mask, int maxHeads, Tensor out) {
        checkHeads("attention", "q", q);
        RowFormat keyFormat = checkPages("k", k);
        RowFormat valueFormat = checkPages("v", v);
        checkHeads("attention", "out", out);
        int nKvHeads = k.dim(1);
        int rows = k.dim(2);
        if (pages.length != q.dim(0)
                || out.dim(0) != q.dim(0)
                || nKvHeads == 0
                || q.dim(1) % nKvHeads != 0
                || v.dim(0) != k.dim(0)
                || v.dim(1) != nKvHeads
                || v.dim(2) != rows
                || out.dim(1) != q.dim(1)
                || out.dim(2) != q.dim(2)
                || k.dim(3) != keyFormat.columns(q.dim(3))
                || v.dim(3) != valueFormat.columns(out.dim(3))
                || q.dim(1) > maxHeads) {
            throw new ShapeException("attention: q " + q + ", pages k " + k + ", v " + v + " -> out " + out
                    + ": needs [B,H,T,dK], [P,KV,S,dK], [P,KV,S,dV] -> [B,H,T,dV] with KV dividing H, at most "
                    + maxHeads + " heads and the pages of B sequences, not " + pages.length);
        }
        mask.checkPaged(q.dim(0), q.dim(1), q.dim(2));
        for (int b = 0; b < pages.length; b++) {
            int to = mask.keyTo(b, Integer.MAX_VALUE);
            if (mask.keyFrom(b) != 0 || (to + (long) rows - 1) / Math.max(1, rows) > pages[b].length) {
                throw new ShapeException("attention: sequence " + b + " has keys " + mask.keyFrom(b) + " to " + to
                        + " in " + pages[b].length + " pages of " + rows + ": they must start at 0 and fit");
            }
        }
    }

    /** Pages of rows in any format. */
    private static RowFormat checkPages(String name, Tensor t) {
        RowFormat format = RowFormat.of(t);
        if (t.rank() != 4 || t.stride(3) != 1 && t.dim(3) > 1) {
            throw new ShapeException(
                    "attention: " + name + " " + t + " must be [pages,heads,rows,d], elements of a row adjacent");
        }
        return format;
    }

    static void checkPackedAttention(
            Tensor q, Tensor k, Tensor v, int[] starts, int sequences, int maxHeads, Tensor out) {
        checkPackedHeads("q", q);
        checkPackedHeads("k", k);
        checkPackedHeads("v", v);
        checkPackedHeads("out", out);
        int tokens = q.dim(0);
        int nKvHeads = k.dim(1);
        if (k.dim(0) != tokens
                || v.dim(0) != tokens
                || out.dim(0) != tokens
                || nKvHeads == 0
                || q.dim(1) % nKvHeads != 0
                || v.dim(1) != nKvHeads
                || out.dim(1) != q.dim(1)
                || k.dim(2) != q.dim(2)
                || out.dim(2) != v.dim(2)
                || q.dim(1) > maxHeads) {
            throw new ShapeException("attentionPacked: q " + q + ", k " + k + ", v " + v + " -> out " + out
                    + ": needs [N,H,dK], [N,KV,dK], [N,KV,dV] -> [N,H,dV] with KV dividing H, at most " + maxHeads
                    + " heads");
        }
        if (sequences < 0 || starts.length <= sequences) {
            throw new ShapeException("attentionPacked: " + starts.length + " starts for " + sequences
                    + " sequences: needs one more than sequences");
        }
        for (int s = 0; s <= sequences; s++) {
            if (starts[s] < (s == 0 ? 0 : starts[s - 1]) || starts[s] > tokens) {
                throw new ShapeException("attentionPacked: start " + s + " is " + starts[s]
                        + ": starts must ascend within 0 to the " + tokens + " tokens");
            }
        }
    }

    private static void checkPackedHeads(String name, Tensor t) {
        checkF32("attentionPacked", name, t);
        if (t.rank() != 3 || t.stride(2) != 1 && t.dim(2) > 1) {
            throw new ShapeException(
                    "attentionPacked: " + name + " " + t + " must be [tokens,heads,d], elements of a row adjacent");
        }
    }
}
