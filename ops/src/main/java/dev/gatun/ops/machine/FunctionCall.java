package dev.gatun.ops.machine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Calls code of ours. Segments are passed, not numbers, so that memory which is closed refuses the call and can't be closed during
 * it; so is the code itself, as a last argument that it does not look at. Critical calls leave out the thread's change to native
 * state: a kernel runs some milliseconds at most, during which the garbage collector waits.
 */
@SuppressWarnings("restricted") // the JVM is told by --enable-native-access
final class FunctionCall {
    // One kind of handle, for each costs a cold start 20 ms: functions of fewer arguments are called with more.
    private static final MethodHandle CALL = Linker.nativeLinker()
            .downcallHandle(
                    FunctionDescriptor.of(
                            JAVA_LONG, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG,
                            JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                            JAVA_LONG, ADDRESS),
                    Linker.Option.critical(false));

    private static final MemorySegment NONE = MemorySegment.NULL;

    private FunctionCall() {}

    /** A kernel on rows, see {@link RowLoop}; offsets and strides in bytes, two numbers as the kernel takes them. What it returns. */
    static long rows(
            MemorySegment entry,
            MemorySegment x,
            long xAt,
            long xStride,
            MemorySegment b,
            long bAt,
            long bStride,
            MemorySegment c,
            long cAt,
            MemorySegment out,
            long outAt,
            long outStride,
            long rows,
            long cols,
            long first,
            long second) {
        try {
            return (long) CALL.invokeExact(
                    entry, x, b, c, out, NONE, NONE, xStride, outStride, xAt, bAt, cAt, outAt, bStride, rows, cols,
                    first, second, entry);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("machine code throws nothing", e);
        }
    }

    static void call(MemorySegment entry, MemorySegment a) {
        call(entry, a, NONE, NONE, NONE, NONE, NONE);
    }

    static void call(MemorySegment entry, MemorySegment a, MemorySegment b) {
        call(entry, a, b, NONE, NONE, NONE, NONE);
    }

    static void call(MemorySegment entry, MemorySegment a, MemorySegment b, MemorySegment c) {
        call(entry, a, b, c, NONE, NONE, NONE);
    }

    static void call(
            MemorySegment entry,
            MemorySegment a,
            MemorySegment b,
            MemorySegment c,
            MemorySegment d,
            MemorySegment e,
            MemorySegment f) {
        try {
            long _ =
                    (long) CALL.invokeExact(entry, a, b, c, d, e, f, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, entry);
        } catch (RuntimeException | Error thrown) {
            throw thrown;
        } catch (Throwable thrown) {
            throw new AssertionError("machine code throws nothing", thrown);
        }
    }
}
