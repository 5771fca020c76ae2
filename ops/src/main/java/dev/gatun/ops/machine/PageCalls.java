package dev.gatun.ops.machine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The system's calls that give pages and change what may be done with them. Never both write and run. */
@SuppressWarnings("restricted") // the JVM is told by --enable-native-access
abstract sealed class PageCalls {
    /**
     * @throws MachineUnavailableException if this is none of Linux, macOS and Windows, or native calls are forbidden
     */
    static PageCalls ofThisSystem() {
        String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        try {
            if (system.startsWith("linux")) {
                return new Posix(0x22, true); // MAP_PRIVATE | MAP_ANONYMOUS
            }
            if (system.startsWith("mac")) {
                return new Posix(0x1002, false);
            }
            if (system.startsWith("windows")) {
                return new Windows();
            }
        } catch (IllegalCallerException e) {
            throw new MachineUnavailableException("machine code: native access is not enabled for dev.gatun.ops");
        }
        throw new MachineUnavailableException("machine code: no page calls known for " + system);
    }

    /** Pages without any access. */
    abstract MemorySegment reserve(long bytes);

    abstract void makeWritable(MemorySegment pages);

    abstract void makeExecutable(MemorySegment pages);

    /** Gives back what {@link #reserve} gave, whole. */
    abstract void release(MemorySegment reserved);

    /** Gives pages a name in the process's map, where the system has such names. */
    void name(MemorySegment pages, String name) {}

    private static MethodHandle function(
            SymbolLookup lookup, String name, MemoryLayout result, MemoryLayout... arguments) {
        MemorySegment address = lookup.find(name)
                .orElseThrow(() -> new MachineUnavailableException("machine code: the system has no " + name));
        return Linker.nativeLinker().downcallHandle(address, FunctionDescriptor.of(result, arguments));
    }

    private static MachineUnavailableException refused(String what, long bytes) {
        return new MachineUnavailableException("machine code: the system refused " + what + " of " + bytes
                + " bytes; a policy such as SELinux's may forbid it");
    }

    private static AssertionError failed(Throwable e) {
        return new AssertionError("a system call threw", e);
    }

    /** mmap, mprotect, munmap. */
    private static final class Posix extends PageCalls {
        private static final int READ = 1;
        private static final int WRITE = 2;
        private static final int EXECUTE = 4;

        private static final long NAME_MEMORY = 0x53564d41; // PR_SET_VMA, of which 0 is PR_SET_VMA_ANON_NAME

        private final int mapFlags;
        private final MethodHandle mmap;
        private final MethodHandle mprotect;
        private final MethodHandle munmap;
        private final @Nullable MethodHandle prctl;

        Posix(int mapFlags, boolean linux) {
            this.mapFlags = mapFlags;
            SymbolLookup system = Linker.nativeLinker().defaultLookup();
            mmap = function(system, "mmap");
            mprotect = function(system, "mprotect");
            munmap = function(system, "munmap");
            prctl = linux && system.find("prctl").isPresent() ? function(system, "prctl") : null;
        }

        /**
         * All by one kind of handle, as each kind costs a start 10 ms: six longs in registers, of which a function with fewer or shorter
         * parameters looks at what it has. A result that is an int is the lower half.
         */
        private static MethodHandle function(SymbolLookup lookup, String name) {
            return PageCalls.function(
                    lookup, name, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
        }

        @Override
        MemorySegment reserve(long bytes) {
            long address;
            try {
                address = (long) mmap.invokeExact(0L, bytes, 0L, (long) mapFlags, -1L, 0L);
            } catch (Throwable e) {
                throw failed(e);
            }
            if (address == -1) {
                throw refused("a mapping", bytes);
            }
            return MemorySegment.ofAddress(address).reinterpret(bytes);
        }

        @Override
        void makeWritable(MemorySegment pages) {
            protect(pages, READ | WRITE, "to write pages");
        }

        @Override
        void makeExecutable(MemorySegment pages) {
            protect(pages, READ | EXECUTE, "to run pages");
        }

        private void protect(MemorySegment pages, long access, String what) {
            long result;
            try {
                result = (long) mprotect.invokeExact(pages.address(), pages.byteSize(), access, 0L, 0L, 0L);
            } catch (Throwable e) {
                throw failed(e);
            }
            if ((int) result != 0) {
                throw refused(what, pages.byteSize());
            }
        }

        @Override
        void release(MemorySegment reserved) {
            try {
                long ignored = (long) munmap.invokeExact(reserved.address(), reserved.byteSize(), 0L, 0L, 0L, 0L);
            } catch (Throwable e) {
                throw failed(e);
            }
        }

        /** Kernels before 5.17, and those built without such names, refuse: then there is none. */
        @Override
        void name(MemorySegment pages, String name) {
            if (prctl == null) {
                return;
            }
            try (var arena = Arena.ofConfined()) {
                long text = arena.allocateFrom(name).address();
                long ignored = (long) prctl.invokeExact(NAME_MEMORY, 0L, pages.address(), pages.byteSize(), text, 0L);
            } catch (Throwable e) {
                throw failed(e);
            }
        }
    }

    /** VirtualAlloc, VirtualProtect, VirtualFree. */
    private static final class Windows extends PageCalls {
        private static final int COMMIT_AND_RESERVE = 0x3000;
        private static final int RELEASE = 0x8000;
        private static final int NO_ACCESS = 0x01;
        private static final int READ_WRITE = 0x04;
        private static final int EXECUTE_READ = 0x20;

        private final MethodHandle alloc;
        private final MethodHandle protect;
        private final MethodHandle free;

        Windows() {
            SymbolLookup kernel = SymbolLookup.libraryLookup("kernel32", Arena.global());
            alloc = function(kernel, "VirtualAlloc", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT);
            protect = function(kernel, "VirtualProtect", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT, ADDRESS);
            free = function(kernel, "VirtualFree", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
        }

        @Override
        MemorySegment reserve(long bytes) {
            MemorySegment pages;
            try {
                pages = (MemorySegment) alloc.invokeExact(MemorySegment.NULL, bytes, COMMIT_AND_RESERVE, NO_ACCESS);
            } catch (Throwable e) {
                throw failed(e);
            }
            if (pages.address() == 0) {
                throw refused("an allocation", bytes);
            }
            return pages.reinterpret(bytes);
        }

        @Override
        void makeWritable(MemorySegment pages) {
            protect(pages, READ_WRITE, "to write pages");
        }

        @Override
        void makeExecutable(MemorySegment pages) {
            protect(pages, EXECUTE_READ, "to run pages");
        }

        private void protect(MemorySegment pages, int access, String what) {
            int result;
            try (var arena = Arena.ofConfined()) {
                MemorySegment before = arena.allocate(JAVA_INT);
                result = (int) protect.invokeExact(pages, pages.byteSize(), access, before);
            } catch (Throwable e) {
                throw failed(e);
            }
            if (result == 0) {
                throw refused(what, pages.byteSize());
            }
        }

        @Override
        void release(MemorySegment reserved) {
            try {
                int ignored = (int) free.invokeExact(reserved, 0L, RELEASE);
            } catch (Throwable e) {
                throw failed(e);
            }
        }
    }
}
