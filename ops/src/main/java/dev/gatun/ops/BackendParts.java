package dev.gatun.ops;

import dev.gatun.openblas.Blas;
import dev.gatun.openblas.BlasUnavailableException;
import dev.gatun.openblas.OpenBlasLibrary;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.Backend.Options;
import dev.gatun.ops.internal.Int8Linears;
import dev.gatun.ops.internal.MachineInt8;
import dev.gatun.ops.internal.MachineMatMul;
import dev.gatun.ops.internal.MachineRows;
import dev.gatun.ops.internal.MatMul;
import dev.gatun.ops.internal.OpenBlasMatMul;
import dev.gatun.ops.internal.Rows;
import dev.gatun.ops.internal.ScalarInt8;
import dev.gatun.ops.internal.ScalarMatMul;
import dev.gatun.ops.internal.ScalarRows;
import dev.gatun.ops.internal.VectorApi;
import dev.gatun.ops.internal.VectorInt8;
import dev.gatun.ops.internal.VectorMatMul;
import dev.gatun.ops.internal.VectorRows;
import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.MachineUnavailableException;
import java.lang.System.Logger.Level;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Who computes in a {@link Backend}. It is closed in two steps: what computes in the background before the threads end, code after.
 *
 * @param matMul products
 * @param int8 what multiplies with weights in another type than F32; null for F32
 * @param rows operators on rows
 * @param reason why these
 * @param blas gives the library that products come from, which it may have to load; or null
 * @param auto what chooses, or null
 */
record BackendParts(
        MatMul matMul,
        @Nullable Int8Linears int8,
        Rows rows,
        String reason,
        @Nullable Supplier<Blas> blas,
        @Nullable Auto auto) {
    private static final String ASKED = "asked for";

    /** As {@link Backend#open}. */
    static BackendParts open(Options options) {
        Int8Linears int8 = options.compute() == ComputeType.INT8 ? int8(options.kind()) : null;
        try {
            return open(options, int8);
        } catch (RuntimeException | Error e) {
            close(int8);
            throw e;
        }
    }

    private static BackendParts open(Options options, @Nullable Int8Linears int8) {
        return switch (options.kind()) {
            case SCALAR -> new BackendParts(new ScalarMatMul(), int8, new ScalarRows(), ASKED, null, null);
            case VECTOR -> {
                loadVectors();
                yield new BackendParts(new VectorMatMul(), int8, new VectorRows(), ASKED, null, null);
            }
            case MACHINE -> machine(int8);
            case OPENBLAS -> {
                loadVectors();
                Blas blas = load(options, options.threads());
                yield new BackendParts(new OpenBlasMatMul(blas), null, new VectorRows(), ASKED, () -> blas, null);
            }
            case AUTO -> {
                try {
                    yield auto(options, int8);
                } catch (BackendUnavailableException e) {
                    if (options.blas() != null) {
                        throw e;
                    }
                    // Not in a field: setting up loggers costs every start some 10 ms.
                    System.getLogger(Backend.class.getName())
                            .log(Level.WARNING, "no OpenBLAS, vector kernels are used instead: " + e.getMessage());
                    String reason = "OpenBLAS is not there: " + e.getMessage();
                    loadVectors();
                    yield new BackendParts(new VectorMatMul(), int8, new VectorRows(), reason, null, null);
                }
            }
        };
    }

    private static void loadVectors() {
        try {
            VectorApi.load();
        } catch (IllegalStateException e) {
            throw new BackendUnavailableException(e);
        }
    }

    /** Who multiplies in 8 bits. */
    private static Int8Linears int8(Kind kind) {
        try {
            return switch (kind) {
                case SCALAR -> new ScalarInt8();
                case VECTOR -> {
                    loadVectors();
                    yield new VectorInt8();
                }
                case MACHINE -> new MachineInt8(MachineHost.open());
                case OPENBLAS ->
                    throw new BackendUnavailableException("compute type int8: OpenBLAS multiplies floats only;"
                            + " ask for auto, machine, vector or scalar");
                case AUTO -> {
                    try {
                        yield new MachineInt8(MachineHost.open());
                    } catch (MachineUnavailableException e) {
                        loadVectors();
                        yield new VectorInt8();
                    }
                }
            };
        } catch (MachineUnavailableException e) {
            throw new BackendUnavailableException(e);
        }
    }

    private static BackendParts machine(@Nullable Int8Linears int8) {
        try {
            MachineHost host = MachineHost.open();
            var matMul = new MachineMatMul(host);
            Rows rows = machineRows(host);
            if (rows == null) {
                loadVectors();
                rows = new VectorRows();
            }
            return new BackendParts(matMul, int8, rows, ASKED, null, null);
        } catch (MachineUnavailableException e) {
            throw new BackendUnavailableException(e);
        }
    }

    /** Rows by machine code; null where there is AVX2 only, which they are not written for. */
    private static @Nullable Rows machineRows(MachineHost host) {
        try {
            return new MachineRows(host);
        } catch (MachineUnavailableException e) {
            return null;
        }
    }

    private static @Nullable Rows machineRows() {
        try {
            return machineRows(MachineHost.open());
        } catch (MachineUnavailableException e) {
            return null;
        }
    }

    private static Blas load(Options options, int blasThreads) {
        try {
            Blas blas = options.blas() == null ? OpenBlasLibrary.load() : OpenBlasLibrary.loadFile(options.blas());
            blas.setThreads(blasThreads);
            return blas;
        } catch (BlasUnavailableException e) {
            throw new BackendUnavailableException(e);
        }
    }

    private static BackendParts auto(Options options, @Nullable Int8Linears int8) {
        Rows rows = machineRows();
        var library = new BlasLibrary(() -> load(options, 1));
        if (rows == null || options.blas() != null) {
            library.get();
        }
        var auto = new Auto(
                new OpenBlasMatMul(library, true),
                rows,
                () -> PickTable.in(
                        Backend.cacheFolder(), MachineKey.of(library.get().status(), options.threads())),
                (stopped, rest) -> {
                    VectorApi.load();
                    return new KernelCompiler(stopped, rest);
                });
        String reason = rows == null
                ? "fast from the first call; vector kernels where they are faster"
                : "machine code from the first call; OpenBLAS where it is faster";
        return new BackendParts(auto.openBlas(), int8, auto.rows(), reason, library, auto);
    }

    /** Ends what goes on in the background. */
    void stop() {
        if (auto != null) {
            auto.close();
        }
    }

    /** Gives back code; the last call must be over. */
    void close() {
        if (matMul instanceof MachineMatMul machine) {
            machine.close();
        }
        if (rows instanceof MachineRows machine) {
            machine.close();
        }
        close(int8);
    }

    private static void close(@Nullable Int8Linears int8) {
        if (int8 instanceof MachineInt8 machine) {
            machine.close();
        }
    }
}
