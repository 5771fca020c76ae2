package dev.gatun.openblas;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On a small jar laid out as the real one: what lies in the cache after installing, whatever lay there before. */
class LibraryCacheTest {
    private static final String FOLDER = Platform.LINUX_X86_64.folder();

    @TempDir
    private Path temporary;

    private Path cache;
    private URLClassLoader loader;
    private PlatformJar jar;

    @BeforeEach
    void writeAndOpenAJar() throws IOException {
        cache = temporary.resolve("cache");
        Path file = temporary.resolve("openblas.jar");
        writeJar(file, "0.3.31-1.5.13", "the library");
        loader = new URLClassLoader(new URL[] {file.toUri().toURL()}, null);
        jar = PlatformJar.open(loader, Platform.LINUX_X86_64);
    }

    @AfterEach
    void closeTheJar() throws IOException {
        jar.close();
        loader.close();
    }

    private static void writeJar(Path file, String version, String library) throws IOException {
        try (OutputStream out = Files.newOutputStream(file);
                ZipOutputStream zip = new ZipOutputStream(out)) {
            for (Map.Entry<String, String> entry : Map.of(
                            FOLDER + "libopenblas.so.0",
                            library.repeat(100_000),
                            FOLDER + "libgfortran.so.5",
                            "a companion",
                            FOLDER + "libjniopenblas.so",
                            "of JavaCPP",
                            FOLDER + "include/libheader.h",
                            "a header",
                            "META-INF/maven/org.bytedeco/openblas/pom.properties",
                            "version=" + version)
                    .entrySet()) {
                zip.putNextEntry(new ZipEntry(entry.getKey()));
                zip.write(entry.getValue().getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    private Path install() throws IOException {
        return new LibraryCache(cache).install(jar);
    }

    /** Exactly the two libraries, whole, and nothing else, also no temporary folder. */
    private void assertWhole(Path folder) throws IOException {
        assertThat(folder.resolve("libopenblas.so.0")).hasContent("the library".repeat(100_000));
        assertThat(folder.resolve("libgfortran.so.5")).hasContent("a companion");
        try (Stream<Path> files = Files.walk(cache)) {
            assertThat(files.filter(Files::isRegularFile)).hasSize(2);
        }
        assertThat(children(cache.resolve("openblas"))).containsExactly(folder);
    }

    private static List<Path> children(Path folder) throws IOException {
        try (Stream<Path> children = Files.list(folder)) {
            return children.toList();
        }
    }

    @Test
    void theLibraryAndItsCompanionsAreTakenOutAndJavaCppIsNot() throws IOException {
        Path folder = install();
        assertWhole(folder);
        assertThat(folder.getFileName().toString()).matches("0\\.3\\.31-1\\.5\\.13-linux-x86_64-[0-9a-f]+");
    }

    @Test
    void whatLiesThereWholeIsNotWrittenAgain() throws IOException {
        Path library = install().resolve("libopenblas.so.0");
        FileTime old = FileTime.from(Instant.EPOCH);
        Files.setLastModifiedTime(library, old);
        assertWhole(install());
        assertThat(Files.getLastModifiedTime(library)).isEqualTo(old);
    }

    @Test
    void aTruncatedFileIsWrittenAgain() throws IOException {
        Path library = install().resolve("libopenblas.so.0");
        try (FileChannel channel = FileChannel.open(library, StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() / 2);
        }
        assertWhole(install());
    }

    @Test
    void aFileOfTheRightSizeWithAWrongByteIsWrittenAgain() throws IOException {
        Path library = install().resolve("libopenblas.so.0");
        byte[] bytes = Files.readAllBytes(library);
        bytes[bytes.length - 7] ^= 1;
        Files.write(library, bytes);
        assertWhole(install());
    }

    @Test
    void aMissingCompanionAndAnEmptyFolderAreFilled() throws IOException {
        Path folder = install();
        Files.delete(folder.resolve("libgfortran.so.5"));
        assertWhole(install());
        LibraryCache.delete(folder);
        Files.createDirectory(folder);
        assertWhole(install());
    }

    @Test
    void anExtractionThatWasKilledHalfwayDoesNotMatterAndIsClearedAwayADayLater() throws IOException {
        Path leftover = Files.createDirectories(cache.resolve("openblas").resolve(".tmp-1"));
        Files.writeString(leftover.resolve("libopenblas.so.0"), "the libr");

        Path folder = install();
        // It may belong to a process that is still at it.
        assertThat(children(cache.resolve("openblas"))).containsExactlyInAnyOrder(folder, leftover);

        Files.setLastModifiedTime(leftover, FileTime.from(Instant.now().minus(Duration.ofDays(2))));
        LibraryCache.delete(folder);
        assertWhole(install());
    }

    @Test
    void anotherVersionOrContentHasItsOwnFolder() throws IOException {
        Path first = install();
        for (String[] other : new String[][] {{"0.3.32-1.5.14", "the library"}, {"0.3.31-1.5.13", "the Library"}}) {
            Path file = temporary.resolve("other.jar");
            writeJar(file, other[0], other[1]);
            try (URLClassLoader otherLoader =
                            new URLClassLoader(new URL[] {file.toUri().toURL()}, null);
                    PlatformJar otherJar = PlatformJar.open(otherLoader, Platform.LINUX_X86_64)) {
                Path second = new LibraryCache(cache).install(otherJar);
                assertThat(second).isNotEqualTo(first);
                assertThat(second.resolve("libopenblas.so.0")).hasContent(other[1].repeat(100_000));
            }
        }
        assertThat(first.resolve("libopenblas.so.0")).hasContent("the library".repeat(100_000));
    }

    @Test
    void aJarWhoseContentDoesNotFitItsDirectoryIsAnErrorThatNamesIt() throws IOException {
        Path file = temporary.resolve("openblas.jar");
        byte[] bytes = Files.readAllBytes(file);
        CRC32 crc = new CRC32();
        crc.update("a companion".getBytes(StandardCharsets.UTF_8));
        // The directory at the end of the jar is the second place that holds the CRC; it is the one that is read.
        for (int i = bytes.length - 4; ; i--) {
            int value =
                    (bytes[i] & 0xFF) | (bytes[i + 1] & 0xFF) << 8 | (bytes[i + 2] & 0xFF) << 16 | bytes[i + 3] << 24;
            if (value == (int) crc.getValue()) {
                bytes[i] ^= 1;
                break;
            }
        }
        Path damaged = Files.write(temporary.resolve("damaged.jar"), bytes);
        try (URLClassLoader damagedLoader =
                        new URLClassLoader(new URL[] {damaged.toUri().toURL()}, null);
                PlatformJar damagedJar = PlatformJar.open(damagedLoader, Platform.LINUX_X86_64)) {
            assertThatIOException()
                    .isThrownBy(() -> new LibraryCache(cache).install(damagedJar))
                    .withMessageContaining("libgfortran.so.5 came out of " + damaged);
        }
        assertThat(children(cache.resolve("openblas"))).isEmpty();
    }

    @Test
    void aLinkHasTheContentAndIsAnotherPath() throws IOException {
        Path library = install().resolve("libopenblas.so.0");
        LibraryCache links = new LibraryCache(cache);
        Path folder = links.link(List.of(library));
        assertThat(folder.resolve("libopenblas.so.0"))
                .hasSameBinaryContentAs(library)
                .isNotEqualTo(library);
        LibraryCache.delete(folder);
        assertWhole(install());
    }

    @Test
    void aJarThatIsNotOnTheClassPathIsAnErrorWithTheFix() throws IOException {
        try (URLClassLoader empty = new URLClassLoader(new URL[0], null)) {
            assertThatExceptionOfType(BlasUnavailableException.class)
                    .isThrownBy(() -> PlatformJar.open(empty, Platform.LINUX_ARM64))
                    .withMessage("the jar org.bytedeco:openblas with classifier linux-arm64 is not on the class path;"
                            + " add that jar to the class path, or name a CBLAS with --blas PATH");
        }
    }

    @Test
    void theUsersCacheFolderFollowsTheRulesOfEachSystem() {
        Map<String, String> environment = Map.of("XDG_CACHE_HOME", "/xdg", "LOCALAPPDATA", "/local");
        assertThat(LibraryCache.userFolder("Linux", "/users/me", environment::get))
                .isEqualTo(Path.of("/xdg/gatun"));
        assertThat(LibraryCache.userFolder("Mac OS X", "/users/me", environment::get))
                .isEqualTo(Path.of("/users/me/Library/Caches/gatun"));
        assertThat(LibraryCache.userFolder("Windows 11", "/users/me", environment::get))
                .isEqualTo(Path.of("/local/gatun/cache"));
        assertThat(LibraryCache.userFolder("Linux", "/users/me", name -> null))
                .isEqualTo(Path.of("/users/me/.cache/gatun"));
        assertThat(LibraryCache.userFolder("Linux", "/users/me", name -> "relative"))
                .isEqualTo(Path.of("/users/me/.cache/gatun"));
        assertThat(LibraryCache.userFolder("Windows 11", "/users/me", name -> null))
                .isEqualTo(Path.of("/users/me/AppData/Local/gatun/cache"));
    }
}
