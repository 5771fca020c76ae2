package dev.gatun.ops;

import dev.gatun.memory.DType;
import dev.gatun.memory.MemoryBudget;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.openblas.Blas;
import dev.gatun.openblas.OpenBlasLibrary;
import dev.gatun.ops.internal.Int8Linears;
import dev.gatun.ops.internal.MachineMatMul;
import dev.gatun.ops.internal.MatMul;
import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.StoredLayouts;
import dev.gatun.ops.internal.TileScratches;
import dev.gatun.ops.internal.VectorApi;
import dev.gatun.ops.internal.VectorInt8;
import dev.gatun.ops.internal.VectorMatMul;
import dev.gatun.ops.internal.WorkerPool;
import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.MachineUnavailableException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.function.Supplier;
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
        /**
         * Fast from the first call, then whoever was measured to be the faster on each shape. With AVX-512 machine code computes, and
         * OpenBLAS is loaded a second into the process to be tried, unless it is known that it loses. Elsewhere OpenBLAS with plain rows
         * computes until the vector kernels are compiled; these alone where there is no BLAS. Results are the same within rounding,
         * not to the bit: a shape's may change once, when another goes on with it.
         */
        AUTO,
        /** Every product of attention and feed-forward is a {@code cblas_sgemm}; rows by vector kernels. */
        OPENBLAS,
        /** Products and rows by Vector API kernels. */
        VECTOR,
        /**
         * Products, and with AVX-512 rows, by machine code that is written when the backend is opened: the same bits as {@link
         * #VECTOR}. For x86-64 with AVX2 or AVX-512, where the system lets a program run code that it has written. With AVX-512 it
         * does without the Vector API, but for weights in F16, caches in other formats than F32, and odd shapes of attention.
         */
        MACHINE,
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
     * @param budget that models and sessions opened with this backend draw their memory from
     * @param compute what products with weights are computed in
     */
    public record Options(Kind kind, int threads, @Nullable Path blas, MemoryBudget budget, ComputeType compute) {
        /** In floats. */
        public Options(Kind kind, int threads, @Nullable Path blas, MemoryBudget budget) {
            this(kind, threads, blas, budget, ComputeType.F32);
        }

        /** In floats, with an unlimited budget. */
        public Options(Kind kind, int threads, @Nullable Path blas) {
            this(kind, threads, blas, MemoryBudget.unlimited());
        }

        /** {@link Kind#AUTO} on all processors that the JVM may use. */
        public static Options defaults() {
            return new Options(Kind.AUTO, Runtime.getRuntime().availableProcessors(), null);
        }

        /** These options with another kind. */
        public Options with(Kind newKind) {
            return new Options(newKind, threads, blas, budget, compute);
        }

        /** These options with another number of threads. */
        public Options withThreads(int newThreads) {
            return new Options(kind, newThreads, blas, budget, compute);
        }

        /** These options with another budget. */
        public Options with(MemoryBudget newBudget) {
            return new Options(kind, threads, blas, newBudget, compute);
        }

        /** These options with another compute type. */
        public Options with(ComputeType newCompute) {
            return new Options(kind, threads, blas, budget, newCompute);
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

    private final BackendParts parts;
    private final MatMul matMul;
    /** What multiplies with weights in another type than F32; null for F32. */
    private final @Nullable Int8Linears int8;

    private final Rows rows;
    private final WorkerPool pool;
    private final TileScratches tiles = new TileScratches();
    private final @Nullable Auto auto;
    private final WarmUp warmUp = new WarmUp();
    private final MemoryBudget budget;
    private final boolean planning;

    /** Told how far something has come. */
    public interface Progress {
        /** {@code done} of {@code steps} steps, all of about the same length, are done. */
        void at(int done, int steps);
    }

    private Backend(BackendParts parts, WorkerPool pool, MemoryBudget budget, boolean planning) {
        this.parts = parts;
        this.matMul = parts.matMul();
        this.int8 = parts.int8();
        this.rows = parts.rows();
        this.auto = parts.auto();
        this.pool = pool;
        this.budget = budget;
        this.planning = planning;
    }

    /**
     * A backend that packs nothing: a model loaded with it has its sizes and knows what memory it and its sessions would take with
     * this backend, and computes nothing. It needs no closing.
     */
    public Backend forPlanning() {
        return planning ? this : new Backend(parts, pool, MemoryBudget.unlimited(), true);
    }

    /** Whether it came from {@link #forPlanning}. */
    public boolean isForPlanning() {
        return planning;
    }

    /** What models and sessions draw their memory from. */
    public MemoryBudget budget() {
        return budget;
    }

    /** Bits of the vectors that packed weights are laid out for in this process. */
    public static int layoutVectorBits() {
        return StoredLayouts.vectorBits();
    }

    /** The name of the layout that the vector backend has packed a weight in. */
    public static String layoutOf(PackedWeight weight) {
        return StoredLayouts.name(weight);
    }

    /** The bytes of a weight that the vector backend has packed. */
    public static MemorySegment layoutBytes(PackedWeight weight) {
        return StoredLayouts.segment(weight);
    }

    /** Bytes of an arena that {@link #adopt} will take: none, where the vector kernels compute. */
    public long adoptedByteSize(StoredWeight stored) {
        if (int8 == null && (auto != null || readsPanels())) {
            return 0;
        }
        Tensor plain = stored.plain();
        QuantizedMatrix blocks = stored.blocks();
        return plain != null ? packedByteSize(plain) : packedByteSize(Objects.requireNonNull(blocks));
    }

    /**
     * Takes a weight that lies in a file as this backend's products read it; its memory must stay as long as the result is used.
     *
     * @param arena takes {@link #adoptedByteSize} bytes
     * @throws ShapeException if layout, shape and bytes do not fit together
     */
    public PackedWeight adopt(StoredWeight stored, Arena arena) {
        if (planning) {
            return new Unpacked(stored.n(), stored.k(), 0);
        }
        Tensor plain = stored.plain();
        QuantizedMatrix blocks = stored.blocks();
        if (int8 != null || auto == null && !readsPanels()) {
            return plain != null ? pack(plain, arena) : pack(Objects.requireNonNull(blocks), arena);
        }
        warmUp.add(plain != null ? WeightShape.of(plain) : WeightShape.of(Objects.requireNonNull(blocks)));
        PackedWeight kernels = StoredLayouts.of(stored.layout(), stored.n(), stored.k(), stored.kernels());
        if (auto == null) {
            return kernels;
        }
        return plain != null ? auto.adopt(plain, kernels, arena) : auto.adopt(Objects.requireNonNull(blocks), kernels);
    }

    /** In the place of a weight that was not packed. */
    private record Unpacked(int n, int k, long byteSize) implements PackedWeight {}

    /**
     * Opens what is asked for.
     *
     * @throws BackendUnavailableException if OpenBLAS, or a library at a path, or machine code was asked for and cannot be had, or
     *     OpenBLAS for another compute type than F32; never for {@link Kind#AUTO} without a path, which then logs a WARNING and
     *     picks the vector kernels
     * @throws IllegalArgumentException if threads is not 1 to 1024
     */
    public static Backend open(Options options) {
        int threads = options.threads;
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException("threads " + threads + ": must be 1 to 1024");
        }
        return new Backend(BackendParts.open(options), new WorkerPool(threads), options.budget, false);
    }

    /**
     * Has the JVM link what calls machine code, which takes a cold process 0.1 s: for a thread beside the one that finds out which
     * backend is wanted.
     */
    public static void prepare() {
        try {
            MachineHost.open();
        } catch (MachineUnavailableException e) {
            // Who asks for it will be told.
        }
    }

    /**
     * One that packs weights into the layout that files keep: by machine code where it can be had, else as the vector backend does,
     * the same bytes.
     */
    public static Backend openForLayout() {
        try {
            return open(new Options(Kind.MACHINE, 1, null));
        } catch (BackendUnavailableException e) {
            return open(new Options(Kind.VECTOR, 1, null));
        }
    }

    /** What products with weights are computed in. */
    public ComputeType computeType() {
        return int8 == null ? ComputeType.F32 : ComputeType.INT8;
    }

    /** Who computes matrix products: {@code openblas}, {@code vector}, {@code machine}, {@code scalar}, or {@code auto}: one of the first two. */
    public String matMulName() {
        return auto == null ? matMul.name() : Kind.AUTO.toString();
    }

    /** Who computes rows: {@code machine}, {@code vector}, {@code scalar}, or {@code auto}: the last two, one after the other. */
    public String rowsName() {
        return rows.name();
    }

    /** Why these two. */
    public String reason() {
        return parts.reason();
    }

    /** Threads that take part in an operation. */
    public int threads() {
        return pool.threads();
    }

    /** The BLAS in use, as it describes itself now; null if products are computed in Java. */
    public @Nullable BlasInfo blasInfo() {
        Supplier<Blas> blas = parts.blas();
        if (blas == null) {
            return null;
        }
        var status = blas.get().status();
        return new BlasInfo(status.origin(), status.file(), status.config(), status.coreName(), status.threads());
    }

    /** Bytes of an arena that {@link #pack} will take; 0 where the checkpoint's own bytes are used. */
    public long packedByteSize(Tensor weight) {
        checkWeight(weight);
        if (int8 != null) {
            return int8.packedByteSize(weight);
        }
        return auto == null ? matMul.packedByteSize(weight) : auto.packedByteSize(weight);
    }

    /** Whether a product reads the bytes of a contiguous weight of this type where they are, in full or among others. */
    public boolean readsInPlace(DType type) {
        return type == DType.F32 && !readsPanels() && int8 == null;
    }

    /**
     * Brings a weight into the layout that this backend's products read. The vector backend keeps BF16 and F16 as they are, and
     * widens in its kernels; others read F32, and widen here.
     *
     * @param weight W [N, K] of any floating-point type; must stay alive and unchanged as long as the result is used, where
     *     it is {@linkplain #readsInPlace read in place}
     * @param arena where packed bytes live
     */
    public PackedWeight pack(Tensor weight, Arena arena) {
        checkWeight(weight);
        if (planning) {
            return new Unpacked(weight.dim(0), weight.dim(1), packedByteSize(weight));
        }
        if (int8 != null) {
            warmUpInt8(weight.dim(0), weight.dim(1));
            return copied(weight.segment(), int8.pack(weight, arena));
        }
        warmUp.add(WeightShape.of(weight));
        if (auto != null) {
            return auto.pack(weight, arena);
        }
        PackedWeight packed = matMul.pack(weight, arena);
        return matMul.packedByteSize(weight) == 0 ? packed : copied(weight.segment(), packed);
    }

    /**
     * What was made of a weight that is not needed any more: if it is a part of a mapped file, its pages need no longer count for this
     * process, or a model that is loaded would take its weights twice. Who reads them again gets them back from the file.
     */
    private static PackedWeight copied(MemorySegment weight, PackedWeight packed) {
        if (weight.isMapped()) {
            weight.unload();
        }
        return packed;
    }

    private void warmUpInt8(int n, int k) {
        if (int8 instanceof VectorInt8) {
            warmUp.add(WeightShape.f32(n, k)); // whose kernels it multiplies with
        }
    }

    /** Bytes of an arena that {@link #pack(QuantizedMatrix, Arena)} will take. */
    public long packedByteSize(QuantizedMatrix weight) {
        if (int8 != null) {
            return int8.packedByteSize(weight);
        }
        return auto == null ? matMul.packedByteSize(weight) : auto.vector().packedByteSize(weight);
    }

    /**
     * Brings a quantised weight into the layout that this backend's products read. A product is the same, to the bit on the vector
     * and the scalar backend, as with {@link QuantizedMatrix#toF32}: a block format is a way to store floats. The vector backend
     * keeps it compressed, and auto leaves it to vector; OpenBLAS and scalar widen it to F32 here, which takes 4 bytes a weight.
     *
     * @param weight need not outlive this call
     * @param arena where packed bytes live
     */
    public PackedWeight pack(QuantizedMatrix weight, Arena arena) {
        if (planning) {
            return new Unpacked(weight.n(), weight.k(), packedByteSize(weight));
        }
        if (int8 != null) {
            warmUpInt8(weight.n(), weight.k());
            return copied(weight.segment(), int8.pack(weight, arena));
        }
        warmUp.add(WeightShape.of(weight));
        return auto == null ? copied(weight.segment(), matMul.pack(weight, arena)) : auto.pack(weight, arena);
    }

    /**
     * As {@link #pack(QuantizedMatrix, Arena)}, of a weight that stays where it is: auto then brings it into the kernels' layout in
     * the background, and widens what the first products read.
     *
     * @param weight must stay alive and unchanged as long as the result is used
     * @param arena where packed bytes live
     */
    public PackedWeight packInPlace(QuantizedMatrix weight, Arena arena) {
        if (planning) {
            return new Unpacked(weight.n(), weight.k(), packedByteSize(weight));
        }
        if (int8 != null) {
            return pack(weight, arena);
        }
        if (auto == null) {
            return pack(weight, arena);
        }
        warmUp.add(WeightShape.of(weight));
        return auto.packInPlace(weight, arena);
    }

    /**
     * With vector products: has C2 compile the kernels that the weights packed so far need, on invented data, so that the first
     * call is not a hundred times slower than those that follow. Takes one to five seconds, once a process. Other kinds of
     * backend return at once: OpenBLAS needs none of it, and {@link Kind#AUTO} does it in the background.
     */
    public void warmUp(Progress progress) {
        if (readsPanels()) {
            warmUp.run(progress);
        }
    }

    /**
     * Bits of the vectors that this JVM computes with best on this CPU: 64 means that it compiles no vector operations at all,
     * and the vector backend is hundreds of times slower than it should be.
     */
    public static int cpuVectorBits() {
        VectorApi.load();
        return VectorApi.preferredBits();
    }

    /** The folder that OpenBLAS is taken out into: it need not exist yet. */
    public static Path cacheFolder() {
        return OpenBlasLibrary.userCacheFolder();
    }

    /** Whether products read weights in the vector kernels' layout. */
    private boolean readsPanels() {
        return matMul instanceof VectorMatMul || matMul instanceof MachineMatMul;
    }

    private static void checkWeight(Tensor weight) {
        if (weight.rank() != 2 || !weight.dtype().isFloat()) {
            throw new ShapeException("pack: weight " + weight + " must be [N,K] of a floating-point type");
        }
    }

    /** Bytes that {@link #newOps(Arena)} takes. */
    public long opsByteSize() {
        long openBlas = auto == null ? 0 : AutoOps.scratchByteSize(auto, pool.threads());
        MatMul kernels = auto == null ? matMul : auto.vector();
        return openBlas + Ops.scratchByteSize(kernels, int8 == null ? kernels : int8, pool.threads());
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
        if (planning) {
            throw new IllegalStateException("this backend only plans: it computes nothing");
        }
        WorkerPool share = pool.limitedTo(threads);
        MatMul kernels = auto == null ? matMul : auto.vector();
        AutoOps choice = auto == null ? null : new AutoOps(auto, share, tiles, arena);
        return new Ops(kernels, int8 == null ? kernels : int8, rows, share, tiles, arena, choice);
    }

    /** What {@link Kind#AUTO} knows about shapes, from this process and earlier ones on this machine; empty for other kinds. */
    public List<Decision> decisions() {
        return auto == null ? List.of() : auto.decisions();
    }

    @Override
    public void close() {
        if (planning) {
            return;
        }
        parts.stop();
        pool.close();
        parts.close();
    }

    /** For example {@code openblas products, scalar rows, 2 threads}. */
    @Override
    public String toString() {
        String products = matMulName() + (int8 == null ? "" : ", weights " + int8.name());
        return products + " products, " + rows.name() + " rows, " + threads() + " threads";
    }
}
