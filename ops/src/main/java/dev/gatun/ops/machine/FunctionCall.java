package dev.gatun.ops.machine;

import static java.lang.foreign.ValueLayout.ADDRESS;

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
    private static final MethodHandle ONE = Linker.nativeLinker()
            .downcallHandle(FunctionDescriptor.ofVoid(ADDRESS, ADDRESS), Linker.Option.critical(false));
    private static final MethodHandle TWO = Linker.nativeLinker()
            .downcallHandle(FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS), Linker.Option.critical(false));
    private static final MethodHandle THREE = Linker.nativeLinker()
            .downcallHandle(
                    FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS, ADDRESS), Linker.Option.critical(false));
    private static final MethodHandle SIX = Linker.nativeLinker()
            .downcallHandle(
                    FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS),
                    Linker.Option.critical(false));

    private FunctionCall() {}

    static void call(MemorySegment entry, MemorySegment a) {
        try {
            ONE.invokeExact(entry, a, entry);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("machine code throws nothing", e);
        }
    }

    static void call(MemorySegment entry, MemorySegment a, MemorySegment b) {
        try {
            TWO.invokeExact(entry, a, b, entry);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("machine code throws nothing", e);
        }
    }

    static void call(MemorySegment entry, MemorySegment a, MemorySegment b, MemorySegment c) {
        try {
            THREE.invokeExact(entry, a, b, c, entry);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("machine code throws nothing", e);
        }
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
            SIX.invokeExact(entry, a, b, c, d, e, f, entry);
        } catch (RuntimeException | Error thrown) {
            throw thrown;
        } catch (Throwable thrown) {
            throw new AssertionError("machine code throws nothing", thrown);
        }
    }
}
