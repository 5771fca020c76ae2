package dev.gatun.bench;

import dev.gatun.memory.DType;
import dev.ludovic.netlib.blas.BLAS;
import dev.ludovic.netlib.blas.JavaBLAS;
import dev.ludovic.netlib.blas.NativeBLAS;
import org.jspecify.annotations.Nullable;

/**
 * dev.ludovic.netlib, the BLAS of Spark's MLlib, on arrays: in Java with the Vector API, or through JNI the {@code libblas.so.3}
 * of the system, which may be OpenBLAS or any other.
 */
final class NetlibLibrary implements Library {
    private final BLAS blas;
    private final String description;

    /**
     * @throws UnsupportedOperationException if there is no such implementation here; the message says why
     */
    NetlibLibrary(boolean jni) {
        if (jni) {
            try {
                blas = NativeBLAS.getInstance();
            } catch (RuntimeException | LinkageError e) {
                throw new UnsupportedOperationException(
                        "it needs a libblas.so.3 of the system's, as the package libopenblas0 has: " + e.getMessage(),
                        e);
            }
            description = "dev.ludovic.netlib JNIBLAS, the system's libblas.so.3";
        } else {
            blas = JavaBLAS.getInstance(); // falls back where there is no Vector API; the name says to what
            description = "dev.ludovic.netlib " + blas.getClass().getSimpleName() + ", one thread";
        }
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public @Nullable Workload open(Op op) {
        if (!(op instanceof Op.Linear linear) || linear.weights() != DType.F32) {
            return null;
        }
        Operands operands = new Operands();
        int m = linear.m();
        int n = linear.n();
        int k = linear.k();
        float[] x = operands.array(m * k);
        float[] out = new float[m * n];
        float[][] weights = new float[linear.copies()][];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = i == 0 ? operands.array(n * k) : weights[0].clone();
        }
        return new Workload() {
            private int next;

            @Override
            public void run() {
                float[] w = weights[next];
                next = next + 1 == weights.length ? 0 : next + 1;
                // Columns first, so our rows are its columns: out^T [n, m] = W x^T.
                if (m == 1) {
                    blas.sgemv("T", k, n, 1f, w, k, x, 1, 0f, out, 1);
                } else {
                    blas.sgemm("T", "N", n, m, k, 1f, w, k, x, k, 0f, out, n);
                }
            }

            @Override
            public void close() {}
        };
    }

    @Override
    public void close() {}
}
