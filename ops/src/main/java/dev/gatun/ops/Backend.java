package dev.gatun.ops;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.openblas.Blas;
import dev.gatun.openblas.BlasUnavailableException;
import dev.gatun.openblas.OpenBlasLibrary;
import dev.gatun.ops.internal.MatMul;
import dev.gatun.ops.internal.OpenBlasMatMul;
import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.ScalarMatMul;
import dev.gatun.ops.internal.ScalarRows;
import dev.gatun.ops.internal.VectorMatMul;
import dev.gatun.ops.internal.VectorRows;
import dev.gatun.ops.internal.WorkerPool;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Locale;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Who computes: one choice for matrix products and one for rows, with the threads that do it. A model packs its weights with it
 * and a session takes its {@link Ops} from it; any number of both may share one, from any thread.
 *
 * <p>Whoever opens a backend closes it, after the models that use it; that ends its threads.
 */
public final class Backend implements AutoCloseable {
    /** What a user may ask for. */
    public enum Kind {
        /** OpenBLAS with plain rows, ready from the first call; vector kernels where there is no BLAS. */
        AUTO,
        /** Every product of attention and feed-forward is a {@code cblas_sgemm}; rows by vector kernels. */
        OPENBLAS,
        /** Products and rows by Vector API kernels. */
        VECTOR,
        /** Products and rows in plain Java: slow, the definition of the result. */
        SCALAR;

        /** The name on the command line. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * What is asked for.
     *
     * @param kind who computes
     * @param threads that take part in an operation, the caller's included, 1 to 1024
     * @param blas the CBLAS library to load instead of the OpenBLAS that comes with us, or null
     */
    public record Options(Kind kind, int threads, @Nullable Path blas) {
        /** {@link Kind#AUTO} on all processors that the JVM may use. */
        public static Options defaults() {
            return new Options(Kind.AUTO, Runtime.getRuntime().availableProcessors(), null);
        }

        /** These options with another kind. */
        public Options with(Kind newKind) {
            return new Options(newKind, threads, blas);
        }

        /** These options with another number of threads. */
        public Options withThreads(int newThreads) {
            return new Options(kind, newThreads, blas);
        }
    }

    /**
     * A BLAS library.
     *
     * @param origin where it came from: the coordinates of the artifact it was taken out of, or "file"
     * @param file the file that was loaded
     * @param config how it was built, in its own words, or "unknown"
     * @param coreName the CPU kernels that it picked, or "unknown"
     * @param threads it computes with now; 0 if it does not say
     */
    public record BlasInfo(String origin, Path file, String config, String coreName, int threads) {}

    private final MatMul matMul;
    private final Rows rows;
    private final WorkerPool pool;
    private final String reason;
    private final @Nullable Blas blas;

    private Backend(MatMul matMul, Rows rows, int threads, String reason, @Nullable Blas blas) {
        this.matMul = matMul;
        this.rows = rows;
        this.pool = new WorkerPool(threads);
        this.reason = reason;
        this.blas = blas;
    }

    /**
     * Opens what is asked for.
     *
     * @throws BackendUnavailableException if OpenBLAS, or a library at a path, was asked for and cannot be had; never for {@link
     *     Kind#AUTO} without a path, which then logs a WARNING and picks the vector kernels
     * @throws IllegalArgumentException if threads is not 1 to 1024
     */
    public static Backend open(Options options) {
        int threads = options.threads;
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException("threads " + threads + ": must be 1 to 1024");
        }
        return switch (options.kind) {
            case SCALAR -> new Backend(new ScalarMatMul(), new ScalarRows(), threads, "asked for", null);
            case VECTOR -> new Backend(new VectorMatMul(), new VectorRows(), threads, "asked for", null);
            case OPENBLAS -> openBlas(options, new VectorRows(), "asked for");
            case AUTO -> {
                try {
                    yield openBlas(options, new ScalarRows(), "fast from the first call");
                } catch (BackendUnavailableException e) {
                    if (options.blas != null) {
                        throw e;
                    }
                    // Not in a field: setting up loggers costs every start some 10 ms.
                    System.getLogger(Backend.class.getName())
                            .log(Level.WARNING, "no OpenBLAS, vector kernels are used instead: " + e.getMessage());
                    String reason = "OpenBLAS is not there: " + e.getMessage();
                    yield new Backend(new VectorMatMul(), new VectorRows(), threads, reason, null);
                }
            }
        };
    }

    private static Backend openBlas(Options options, Rows rows, String reason) {
        try {
            Blas blas = options.blas == null ? OpenBlasLibrary.load() : OpenBlasLibrary.loadFile(options.blas);
            blas.setThreads(options.threads);
            return new Backend(new OpenBlasMatMul(blas), rows, options.threads, reason, blas);
        } catch (BlasUnavailableException e) {
            throw new BackendUnavailableException(e);
        }
    }

    /** Who computes matrix products: {@code openblas}, {@code vector} or {@code scalar}. */
    public String matMulName() {
        return matMul.name();
    }

    /** Who computes rows: {@code vector} or {@code scalar}. */
    public String rowsName() {
        return rows.name();
    }

    /** Why these two. */
    public String reason() {
        return reason;
    }

    /** Threads that take part in an operation. */
    public int threads() {
        return pool.threads();
    }

    /** The BLAS in use, as it describes itself now; null if products are computed in Java. */
    public @Nullable BlasInfo blasInfo() {
        if (blas == null) {
            return null;
        }
        var status = blas.status();
        return new BlasInfo(status.origin(), status.file(), status.config(), status.coreName(), status.threads());
    }

    /** Bytes of an arena that {@link #pack} will take; 0 where the checkpoint's own bytes are used. */
    public long packedByteSize(Tensor weight) {
        checkWeight(weight);
        return matMul.packedByteSize(weight);
    }

    /**
     * Brings a weight into the layout that this backend's products read. The vector backend keeps BF16 and F16 as they are, and
     * widens in its kernels; others read F32, and widen here.
     *
     * @param weight W [N, K] of any floating-point type; must stay alive and unchanged as long as the result is used
     * @param arena where packed bytes live
     */
    public PackedWeight pack(Tensor weight, Arena arena) {
        checkWeight(weight);
        return matMul.pack(weight, arena);
    }

    /** Bytes of an arena that {@link #pack(QuantizedMatrix, Arena)} will take. */
    public long packedByteSize(QuantizedMatrix weight) {
        return matMul.packedByteSize(weight);
    }

    /**
     * Brings a quantised weight into the layout that this backend's products read. A product is the same, to the bit on the vector
     * and the scalar backend, as with {@link QuantizedMatrix#toF32}: a block format is a way to store floats. The vector backend
     * keeps it compressed; OpenBLAS and scalar widen it to F32 here, which takes 4 bytes a weight.
     *
     * @param weight need not outlive this call
     * @param arena where packed bytes live
     */
    public PackedWeight pack(QuantizedMatrix weight, Arena arena) {
        return matMul.pack(weight, arena);
    }

    /**
     * Bits of the vectors that this JVM computes with best on this CPU: 64 means that it compiles no vector operations at all,
     * and the vector backend is hundreds of times slower than it should be.
     */
    public static int cpuVectorBits() {
        return FloatVector.SPECIES_PREFERRED.vectorBitSize();
    }

    /** The folder that OpenBLAS is taken out into: it need not exist yet. */
    public static Path cacheFolder() {
        return OpenBlasLibrary.userCacheFolder();
    }

    private static void checkWeight(Tensor weight) {
        if (weight.rank() != 2 || !weight.dtype().isFloat()) {
            throw new ShapeException("pack: weight " + weight + " must be [N,K] of a floating-point type");
        }
    }

    /** Bytes that {@link #newOps(Arena)} takes. */
    public long opsByteSize() {
        return Ops.scratchByteSize(matMul, pool.threads());
    }

    /** Operators for one session; their scratch memory, {@link #opsByteSize} bytes, lives in {@code arena}. */
    public Ops newOps(Arena arena) {
        return newOps(arena, pool.threads());
    }

    /**
     * Operators for one session that use no more than {@code threads} of this backend's threads, the caller's included, so that
     * sessions side by side may be given shares. The result is the same. A BLAS has one number of threads for the whole
     * process, which this does not change.
     *
     * @throws IllegalArgumentException if threads is less than 1
     */
    public Ops newOps(Arena arena, int threads) {
        return new Ops(matMul.forSession(), rows, pool.limitedTo(threads), arena);
    }

    @Override
    public void close() {
        pool.close();
    }

    /** For example {@code openblas products, scalar rows, 2 threads}. */
    @Override
    public String toString() {
        return matMul.name() + " products, " + rows.name() + " rows, " + threads() + " threads";
    }
}
