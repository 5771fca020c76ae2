package dev.gatun.openblas;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loading, each time in a class loader or a JVM of its own, since a class loader has one BLAS for good. */
class OpenBlasLibraryTest {
    private static final List<String> NATIVE_ACCESS = List.of("--enable-native-access=ALL-UNNAMED");

    @TempDir
    private Path temporary;

    /** Loads by way of a cache folder, multiplies, and says what it got. */
    static final class LoadFromJar implements Function<String, String> {
        @Override
        public String apply(String cache) {
            return describe(() -> OpenBlasLibrary.load(Path.of(cache)));
        }
    }

    static final class LoadFile implements Function<String, String> {
        @Override
        public String apply(String file) {
            return describe(() -> OpenBlasLibrary.loadFile(Path.of(file)));
        }
    }

    private static String describe(Supplier<Blas> load) {
        try {
            Blas blas = load.get();
            return "3 * 5 = " + product(blas) + " with " + blas.status().file();
        } catch (BlasUnavailableException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private static float product(Blas blas) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment three = arena.allocateFrom(JAVA_FLOAT, 3);
            MemorySegment five = arena.allocateFrom(JAVA_FLOAT, 5);
            MemorySegment result = arena.allocate(JAVA_FLOAT);
            blas.sgemm(false, false, 1, 1, 1, 1, three, 1, five, 1, 0, result, 1);
            return result.get(JAVA_FLOAT, 0);
        }
    }

    @Test
    void theSameChoiceGivesTheSameBlas() {
        assertThat(OpenBlasLibrary.load(Fixtures.CACHE)).isSameAs(Fixtures.blas());
        assertThat(OpenBlasLibrary.load(temporary)).isSameAs(Fixtures.blas());
        assertThat(temporary).isEmptyDirectory();
        assertThat(Fixtures.inNewClassLoader(
                        SameFileTwice.class, Fixtures.library().toString()))
                .isEqualTo("same");
    }

    static final class SameFileTwice implements Function<String, String> {
        @Override
        public String apply(String file) {
            Path path = Path.of(file);
            Path same = path.resolveSibling(Path.of(".", Platform.current().library()));
            return OpenBlasLibrary.loadFile(path) == OpenBlasLibrary.loadFile(same) ? "same" : "another";
        }
    }

    @Test
    void anotherChoiceIsAnErrorThatNamesBoth() {
        assertThat(describe(() -> OpenBlasLibrary.load(Fixtures.CACHE))).startsWith("3 * 5 = 15.0");
        assertThat(describe(() -> OpenBlasLibrary.loadFile(Path.of("other.so"))))
                .contains("other.so cannot be loaded beside " + Fixtures.library() + " (org.bytedeco:openblas:")
                .endsWith("a class loader has one BLAS; choose one at the start of the process,"
                        + " or use a class loader for each");
        Fixtures.Isolated loader = new Fixtures.Isolated();
        assertThat(loader.run(LoadFile.class, Fixtures.library().toString())).startsWith("3 * 5 = 15.0");
        assertThat(loader.run(LoadFromJar.class, Fixtures.CACHE.toString()))
                .startsWith("OpenBLAS of the jar cannot be loaded beside " + Fixtures.library() + " (file)");
    }

    @Test
    void itLoadsInSeveralClassLoadersOfOneJvmAndLeavesNothingBehind() throws IOException {
        Fixtures.blas();
        for (int i = 0; i < 3; i++) {
            assertThat(Fixtures.inNewClassLoader(LoadFromJar.class, Fixtures.CACHE.toString()))
                    .isEqualTo("3 * 5 = 15.0 with " + Fixtures.library());
            assertThat(Fixtures.inNewClassLoader(
                            LoadFile.class, Fixtures.library().toString()))
                    .isEqualTo("3 * 5 = 15.0 with " + Fixtures.library());
        }
        assertThat(product(Fixtures.blas())).isEqualTo(15);
        try (Stream<Path> folders = Files.list(Fixtures.CACHE.resolve("openblas"))) {
            assertThat(folders).containsExactly(Fixtures.library().getParent());
        }
    }

    @Test
    void itLoadsAfterAHalfWrittenExtractionOfAnEarlierRun() throws IOException {
        // Another class loader's cache folder, damaged before anything is loaded from it.
        Path library = installInto(temporary);
        try (FileChannel channel = FileChannel.open(library, StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() / 3);
        }
        Files.delete(library.resolveSibling(companion(library)));
        assertThat(Fixtures.inNewClassLoader(LoadFromJar.class, temporary.toString()))
                .isEqualTo("3 * 5 = 15.0 with " + library);
    }

    private static Path installInto(Path cache) throws IOException {
        try (PlatformJar jar = PlatformJar.open(OpenBlasLibraryTest.class.getClassLoader(), Platform.current())) {
            return new LibraryCache(cache)
                    .install(jar)
                    .resolve(Platform.current().library());
        }
    }

    /** A library the BLAS is linked against. */
    private static Path companion(Path library) throws IOException {
        try (Stream<Path> files = Files.list(library.getParent())) {
            return files.map(Path::getFileName)
                    .filter(name -> name.toString().startsWith("libgfortran"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** Says that it is ready, loads when it is told to, and says what it got. */
    static final class LoadInJvm {
        public static void main(String[] arguments) throws IOException {
            System.out.println("ready");
            System.in.read();
            System.out.println(new LoadFromJar().apply(arguments[0]));
        }
    }

    @Test
    void itLoadsFromTwoProcessesAtOnceOnAnEmptyCacheFolder() throws Exception {
        List<Process> jvms = List.of(startLoader(), startLoader());
        for (Process jvm : jvms) {
            assertThat(jvm.inputReader().readLine()).isEqualTo("ready");
        }
        for (Process jvm : jvms) {
            jvm.outputWriter().append('\n').flush();
        }
        for (Process jvm : jvms) {
            assertThat(jvm.inputReader().readLine()).startsWith("3 * 5 = 15.0 with " + temporary);
            assertThat(jvm.waitFor()).isZero();
        }
        try (Stream<Path> folders = Files.list(temporary.resolve("openblas"))) {
            assertThat(folders).hasSize(1);
        }
    }

    @Test
    void itLoadsAfterAProcessThatWasKilledWhileExtracting() throws Exception {
        Process killed = startLoader();
        assertThat(killed.inputReader().readLine()).isEqualTo("ready");
        killed.outputWriter().append('\n').flush();
        Path folder = temporary.resolve("openblas");
        while (killed.isAlive() && !hasChild(folder)) {
            Thread.onSpinWait();
        }
        killed.destroyForcibly().waitFor();

        assertThat(Fixtures.inNewClassLoader(LoadFromJar.class, temporary.toString()))
                .startsWith("3 * 5 = 15.0 with " + temporary);
    }

    private Process startLoader() throws IOException {
        return Fixtures.startJvm(NATIVE_ACCESS, LoadInJvm.class, temporary.toString());
    }

    private static boolean hasChild(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) return false;
        try (Stream<Path> children = Files.list(folder)) {
            return children.findAny().isPresent();
        }
    }

    @Test
    void aCacheFolderThatCannotBeWrittenIsAnErrorWithTheFix() throws IOException {
        // Below a file nobody can create a folder, not even the administrator.
        Path cache = Files.createFile(temporary.resolve("file")).resolve("cache");
        assertThat(Fixtures.inNewClassLoader(LoadFromJar.class, cache.toString()))
                .startsWith("OpenBLAS could not be put into the cache folder " + cache + ": ")
                .contains("set XDG_CACHE_HOME")
                .contains("--blas PATH");
    }

    @Test
    void aPathThatIsNoLibraryIsAnErrorWithTheFixAndTheNextChoiceStillLoads() throws IOException {
        Path text = Files.writeString(temporary.resolve("text.so"), "not a library");
        Path library = Fixtures.library();
        Path companion = library.resolveSibling(companion(library));
        Path missing = temporary.resolve("missing.so");
        Fixtures.Isolated loader = new Fixtures.Isolated();

        assertThat(loader.run(LoadFile.class, missing.toString()))
                .isEqualTo("there is no file " + missing + "; check the path given with --blas");
        assertThat(loader.run(LoadFile.class, temporary.toString()))
                .isEqualTo(
                        temporary + " is a folder; name the library in it, as --blas " + temporary + "/libopenblas.so");
        assertThat(loader.run(LoadFile.class, text.toString()))
                .startsWith(text + " cannot be loaded as a library: ")
                .contains("it must be built for " + System.getProperty("os.name"));
        assertThat(loader.run(LoadFile.class, companion.toString()))
                .isEqualTo(companion + " is a library without cblas_sgemm; name one with the C interface of BLAS,"
                        + " as libopenblas, libmkl_rt or libblis");

        assertThat(loader.run(LoadFromJar.class, Fixtures.CACHE.toString())).startsWith("3 * 5 = 15.0");
    }

    @Test
    void aBlasWith64BitIntegersIsRefused() throws IOException {
        // The word that OpenBLAS has in its description where it was built so.
        Path wide = Fixtures.patchedLibrary(temporary, "0.3.31 DYNAMIC_ARCH", "0.3.31 USE64BITINT ");
        Fixtures.Isolated loader = new Fixtures.Isolated();
        assertThat(loader.run(LoadFile.class, wide.toString()))
                .startsWith(wide + " is OpenBLAS with 64-bit integers (OpenBLAS 0.3.31")
                .endsWith("name the build without 64 in its name");
        assertThat(loader.run(LoadFromJar.class, Fixtures.CACHE.toString())).startsWith("3 * 5 = 15.0");
    }

    @Test
    void aCblasWithoutTheExtensionsOfOpenBlasMultipliesAndDoesNotTellItsThreads() throws IOException {
        Path plain = Fixtures.patchedLibrary(
                temporary,
                "\0openblas_set_num_threads\0",
                "\0removed__set_num_threads\0",
                "\0openblas_get_num_threads\0",
                "\0removed__get_num_threads\0",
                "\0openblas_get_config\0",
                "\0removed__get_config\0",
                "\0openblas_get_corename\0",
                "\0removed__get_corename\0",
                "\0cblas_sgemm_batch_strided\0",
                "\0cblas_sgemm_other_strided\0");
        assertThat(Fixtures.inNewClassLoader(PlainCblas.class, plain.toString()))
                .isEqualTo("threads 0, BlasStatus[origin=file, file=" + plain
                        + ", config=unknown, coreName=unknown, threads=0]");
    }

    static final class PlainCblas implements Function<String, String> {
        @Override
        public String apply(String file) {
            Blas blas = OpenBlasLibrary.loadFile(Path.of(file));
            new Product(false, true, 20, 30, 40, 1, 1, 0.5f, 1, false, 1).check(blas);
            new Product(true, false, 20, 30, 40, 1, 1, 0.5f, 4, true, 2).check(blas);
            new Product(false, false, 110, 110, 110, 1, 1, 0, 4, false, 3).check(blas);
            return "threads " + blas.setThreads(2) + ", " + blas.status();
        }
    }

    @Test
    void aJvmThatForbidsNativeCodeIsAnErrorWithTheFlagToPass() throws Exception {
        Process jvm =
                Fixtures.startJvm(List.of("--illegal-native-access=deny"), LoadInJvm.class, Fixtures.CACHE.toString());
        assertThat(jvm.inputReader().readLine()).isEqualTo("ready");
        jvm.outputWriter().append('\n').flush();
        assertThat(Fixtures.output(jvm))
                .contains("does not let dev.gatun.openblas call native code")
                .contains("--enable-native-access=dev.gatun.openblas");
    }
}
