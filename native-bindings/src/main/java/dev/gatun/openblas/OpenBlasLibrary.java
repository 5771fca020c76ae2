package dev.gatun.openblas;

import dev.gatun.openblas.cblas.cblas_h;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Finds a BLAS and loads it: OpenBLAS out of the jar {@code org.bytedeco:openblas} of this platform, or any library with
 * the C interface of BLAS (CBLAS, 32-bit integers) that is named by its path.
 *
 * <p>A class loader has one BLAS: the JVM binds a native library to the class loader whose class loaded it, keeps it as
 * long as that class loader lives, and the generated bindings look every symbol up there once. So the choice is kept in
 * a static field, the only one: loading the same again gives the same {@link Blas}, loading another one is an error.
 *
 * <p>All methods may be called from any thread.
 */
public final class OpenBlasLibrary {
    private static final String SET_CACHE =
            "set XDG_CACHE_HOME (Windows: LOCALAPPDATA) to a folder that can be written, with room for 80 MB, or name a"
                    + " CBLAS with --blas PATH";

    private static @Nullable Loaded loaded;

    /** @param choice the file that was asked for, or null for the library of the jar */
    private record Loaded(@Nullable Path choice, Blas blas) {}

    private OpenBlasLibrary() {}

    /**
     * Where {@link #load()} puts libraries: {@code gatun} in {@code $XDG_CACHE_HOME} or {@code ~/.cache}, in
     * {@code ~/Library/Caches} on macOS, in {@code %LOCALAPPDATA%} on Windows.
     */
    public static Path userCacheFolder() {
        return LibraryCache.userFolder(System.getProperty("os.name"), System.getProperty("user.home"), System::getenv);
    }

    /**
     * Loads OpenBLAS out of the jar on the class path, by way of {@link #userCacheFolder()}.
     *
     * @throws BlasUnavailableException if there is no such library, it cannot be loaded, or this class loader already has
     *                                  another BLAS
     */
    public static Blas load() {
        return load(userCacheFolder());
    }

    /**
     * Loads OpenBLAS out of the jar on the class path. The library is taken out into {@code cacheFolder} unless it lies
     * there whole, from an earlier run.
     *
     * @param cacheFolder is created if it does not exist; where OpenBLAS is already loaded it makes no difference
     * @throws BlasUnavailableException as {@link #load()}
     */
    public static synchronized Blas load(Path cacheFolder) {
        if (loaded != null) return alreadyLoaded(loaded, null);
        Platform platform = Platform.current();
        LibraryCache cache = new LibraryCache(cacheFolder);
        try (PlatformJar jar = PlatformJar.open(OpenBlasLibrary.class.getClassLoader(), platform)) {
            Path folder = cache.install(jar);
            Path library = folder.resolve(platform.library());
            List<Path> files = new ArrayList<>();
            for (PlatformJar.Library file : jar.libraries()) {
                files.add(folder.resolve(file.name()));
            }
            bind(library, files, cache);
            return keep(null, jar.coordinates(), library);
        } catch (IOException e) {
            throw new BlasUnavailableException(
                    "OpenBLAS could not be put into the cache folder " + cacheFolder.toAbsolutePath() + ": " + e,
                    SET_CACHE,
                    e);
        }
    }

    /**
     * Loads the CBLAS in {@code file}: MKL, BLIS, Accelerate, a distribution's OpenBLAS.
     *
     * @throws BlasUnavailableException if there is no such file, it is not a library that can be loaded here, it is not a
     *                                  CBLAS with 32-bit integers, or this class loader already has another BLAS
     */
    public static synchronized Blas loadFile(Path file) {
        Path library = realPath(file);
        if (loaded != null) return alreadyLoaded(loaded, library);
        // The arena keeps the library open until System.load has opened it too, so it is set up only once.
        try (Arena probe = Arena.ofConfined()) {
            checkIsCblas(library, probe);
            bind(library, List.of(library), new LibraryCache(userCacheFolder()));
        }
        return keep(library, "file", library);
    }

    private static Blas keep(@Nullable Path choice, String origin, Path library) {
        Blas blas = new Blas(origin, library);
        loaded = new Loaded(choice, blas);
        return blas;
    }

    private static Blas alreadyLoaded(Loaded loaded, @Nullable Path choice) {
        if (Objects.equals(loaded.choice, choice)) return loaded.blas;
        BlasStatus status = loaded.blas.status();
        throw new BlasUnavailableException(
                (choice == null ? "OpenBLAS of the jar" : choice) + " cannot be loaded beside " + status.file() + " ("
                        + status.origin() + "): a class loader has one BLAS",
                "choose one at the start of the process, or use a class loader for each",
                null);
    }

    /** The path with its links followed, or just made absolute where no such file exists. */
    private static Path realPath(Path file) {
        try {
            return file.toRealPath();
        } catch (IOException e) {
            // Not an error yet: macOS loads libraries of the system, as Accelerate, that are in no file.
            return file.toAbsolutePath().normalize();
        }
    }

    /** Loads the library for this class loader; there is no way to unload it again. */
    private static void bind(Path library, List<Path> files, LibraryCache cache) {
        try {
            System.load(library.toString());
        } catch (UnsatisfiedLinkError e) {
            if (!isLoadedElsewhere(e)) throw notLoadable(library, e);
            loadAgain(library, files, cache);
        } catch (IllegalCallerException e) {
            throw notAllowed(e);
        }
    }

    /** The JVM's words, unchanged since Java 1.2; it has no other sign for it. A test would notice other words. */
    private static boolean isLoadedElsewhere(UnsatisfiedLinkError e) {
        return String.valueOf(e.getMessage()).contains("already loaded in another classloader");
    }

    private static void loadAgain(Path library, List<Path> files, LibraryCache cache) {
        Path links;
        try {
            links = cache.link(files);
        } catch (IOException e) {
            throw new BlasUnavailableException(
                    library + " is loaded in another class loader, and the link to it that this one needs failed: " + e,
                    SET_CACHE,
                    e);
        }
        try {
            System.load(links.resolve(library.getFileName()).toString());
        } catch (UnsatisfiedLinkError e) {
            throw notLoadable(library, e);
        } finally {
            // What is mapped needs no name any more.
            LibraryCache.delete(links);
        }
    }

    /** Called before the library is loaded for good: a wrong one must not be in the way of the next choice. */
    private static void checkIsCblas(Path library, Arena arena) {
        SymbolLookup symbols;
        try {
            symbols = SymbolLookup.libraryLookup(library, arena);
        } catch (IllegalArgumentException e) {
            // It says no more than "cannot open"; System.load, which comes next, gives the system's reason.
            return;
        } catch (IllegalCallerException e) {
            throw notAllowed(e);
        }
        for (String name : List.of("cblas_sgemm", "cblas_sgemv")) {
            if (symbols.find(name).isEmpty()) {
                throw new BlasUnavailableException(
                        library + " is a library without " + name,
                        "name one with the C interface of BLAS, as libopenblas, libmkl_rt or libblis",
                        null);
            }
        }
        if (config(symbols).contains("USE64BITINT")) {
            throw new BlasUnavailableException(
                    library + " is OpenBLAS with 64-bit integers (" + config(symbols) + "), Gatun passes 32-bit ones",
                    "name the build without 64 in its name",
                    null);
        }
    }

    /** As the generated binding, which cannot be used yet: it would look the symbol up where nothing is loaded. */
    private static String config(SymbolLookup symbols) {
        MemorySegment function = symbols.find("openblas_get_config").orElse(MemorySegment.NULL);
        if (function.equals(MemorySegment.NULL)) return "";
        try {
            MemorySegment text = (MemorySegment) Linker.nativeLinker()
                    .downcallHandle(function, FunctionDescriptor.of(cblas_h.C_POINTER))
                    .invokeExact();
            return text.getString(0);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static BlasUnavailableException notAllowed(IllegalCallerException e) {
        return new BlasUnavailableException(
                "this JVM does not let dev.gatun.openblas call native code: " + e.getMessage(),
                "start it with --enable-native-access=dev.gatun.openblas (on the class path: ALL-UNNAMED)",
                e);
    }

    private static BlasUnavailableException notLoadable(Path library, UnsatisfiedLinkError e) {
        if (!Files.exists(library)) {
            return new BlasUnavailableException("there is no file " + library, "check the path given with --blas", e);
        }
        if (Files.isDirectory(library)) {
            return new BlasUnavailableException(
                    library + " is a folder", "name the library in it, as --blas " + library + "/libopenblas.so", e);
        }
        return new BlasUnavailableException(
                library + " cannot be loaded as a library: " + e.getMessage(),
                "it must be built for " + System.getProperty("os.name") + " on " + System.getProperty("os.arch")
                        + ", lie where execution is allowed, and find what it is linked against; name another"
                        + " with --blas PATH",
                e);
    }
}
