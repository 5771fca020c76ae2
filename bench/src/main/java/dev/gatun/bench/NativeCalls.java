package dev.gatun.bench;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.gatun.memory.DType;
import dev.gatun.openblas.Blas;
import dev.gatun.openblas.OpenBlasLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/**
 * Calls of OpenBLAS so small that the way into native code is what costs. The generated bindings make ordinary downcalls; beside
 * them are handles with {@link Linker.Option#critical}, which leave the thread in its Java state: no transition, but no
 * safepoint either until the call returns, so a long product would hold up every garbage collection.
 */
@SuppressWarnings("restricted") // calls native code, which is its purpose
final class NativeCalls {
    private static final int ROW_MAJOR = 101; // cblas.h
    private static final int NO_TRANSPOSE = 111;
    private static final int MATRIX = 64;

    // C2 inlines a call only through a handle that is constant: a static final field.
    private static final Blas BLAS = OpenBlasLibrary.load();
    private static final SymbolLookup SYMBOLS =
            SymbolLookup.libraryLookup(BLAS.status().file(), Arena.global());
    private static final FunctionDescriptor EMPTY_TYPE = FunctionDescriptor.of(JAVA_INT);
    private static final FunctionDescriptor SGEMM_TYPE = FunctionDescriptor.ofVoid(
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_FLOAT,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            JAVA_FLOAT,
            ADDRESS,
            JAVA_INT);
    private static final FunctionDescriptor SGEMV_TYPE = FunctionDescriptor.ofVoid(
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_INT,
            JAVA_FLOAT,
            ADDRESS,
            JAVA_INT,
            ADDRESS,
            JAVA_INT,
            JAVA_FLOAT,
            ADDRESS,
            JAVA_INT);
    private static final MethodHandle EMPTY = handle("openblas_get_num_threads", EMPTY_TYPE);
    private static final MethodHandle EMPTY_CRITICAL =
            handle("openblas_get_num_threads", EMPTY_TYPE, Linker.Option.critical(false));
    private static final MethodHandle SGEMM = handle("cblas_sgemm", SGEMM_TYPE);
    private static final MethodHandle SGEMM_CRITICAL = handle("cblas_sgemm", SGEMM_TYPE, Linker.Option.critical(false));
    private static final MethodHandle SGEMV = handle("cblas_sgemv", SGEMV_TYPE);
    private static final MethodHandle SGEMV_CRITICAL = handle("cblas_sgemv", SGEMV_TYPE, Linker.Option.critical(false));

    private NativeCalls() {}

    private static MethodHandle handle(String name, FunctionDescriptor type, Linker.Option... options) {
        return Linker.nativeLinker().downcallHandle(SYMBOLS.findOrThrow(name), type, options);
    }

    private interface Call {
        void run() throws Throwable;
    }

    /** One call, with operands in the arena. */
    static Runnable of(Op.NativeFunction function, Arena arena) {
        Operands operands = new Operands();
        MemorySegment a = operands.tensor(arena, DType.F32, MATRIX, MATRIX).segment();
        MemorySegment x = operands.tensor(arena, DType.F32, MATRIX).segment();
        MemorySegment y = operands.tensor(arena, DType.F32, MATRIX).segment();
        Blas blas = BLAS;
        // The bodies in braces are statements, whose call returns nothing; as expressions they would return an Object.
        Call call = switch (function) {
            case EMPTY -> () -> y.set(JAVA_INT, 0, (int) EMPTY.invokeExact());
            case EMPTY_CRITICAL -> () -> y.set(JAVA_INT, 0, (int) EMPTY_CRITICAL.invokeExact());
            case SGEMM ->
                () -> {
                    SGEMM.invokeExact(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, 1, 1, 1, 1f, a, 1, x, 1, 0f, y, 1);
                };
            case SGEMM_CRITICAL ->
                () -> {
                    SGEMM_CRITICAL.invokeExact(
                            ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, 1, 1, 1, 1f, a, 1, x, 1, 0f, y, 1);
                };
            case SGEMM_CHECKED -> () -> blas.sgemm(false, false, 1, 1, 1, 1f, a, 1, x, 1, 0f, y, 1);
            case SGEMV ->
                () -> {
                    SGEMV.invokeExact(ROW_MAJOR, NO_TRANSPOSE, MATRIX, MATRIX, 1f, a, MATRIX, x, 1, 0f, y, 1);
                };
            case SGEMV_CRITICAL ->
                () -> {
                    SGEMV_CRITICAL.invokeExact(ROW_MAJOR, NO_TRANSPOSE, MATRIX, MATRIX, 1f, a, MATRIX, x, 1, 0f, y, 1);
                };
            case SGEMV_CHECKED -> () -> blas.sgemv(false, MATRIX, MATRIX, 1f, a, MATRIX, x, 1, 0f, y, 1);
        };
        return () -> {
            try {
                call.run();
            } catch (RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new AssertionError("a downcall throws nothing checked", e);
            }
        };
    }
}
