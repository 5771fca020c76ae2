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
                return new Posix(0x22); // MAP_PRIVATE | MAP_ANONYMOUS
            }
            if (system.startsWith("mac")) {
                return new Posix(0x1002);
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

        private final int mapFlags;
        private final MethodHandle mmap;
        private final MethodHandle mprotect;
        private final MethodHandle munmap;

        Posix(int mapFlags) {
            this.mapFlags = mapFlags;
            SymbolLookup system = Linker.nativeLinker().defaultLookup();
            mmap = function(system, "mmap", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
            mprotect = function(system, "mprotect", JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
            munmap = function(system, "munmap", JAVA_INT, ADDRESS, JAVA_LONG);
        }

        @Override
        MemorySegment reserve(long bytes) {
            MemorySegment pages;
            try {
                pages = (MemorySegment) mmap.invokeExact(MemorySegment.NULL, bytes, 0, mapFlags, -1, 0L);
            } catch (Throwable e) {
                throw failed(e);
            }
            if (pages.address() == -1) {
                throw refused("a mapping", bytes);
            }
            return pages.reinterpret(bytes);
        }

        @Override
        void makeWritable(MemorySegment pages) {
            protect(pages, READ | WRITE, "to write pages");
        }

        @Override
        void makeExecutable(MemorySegment pages) {
            protect(pages, READ | EXECUTE, "to run pages");
        }

        private void protect(MemorySegment pages, int access, String what) {
            int result;
            try {
                result = (int) mprotect.invokeExact(pages, pages.byteSize(), access);
            } catch (Throwable e) {
                throw failed(e);
            }
            if (result != 0) {
                throw refused(what, pages.byteSize());
            }
        }

        @Override
        void release(MemorySegment reserved) {
            try {
                int ignored = (int) munmap.invokeExact(reserved, reserved.byteSize());
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
