package dev.gatun.openblas;

import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.List;
import java.util.Properties;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;

/** The jar of {@code org.bytedeco:openblas} for one platform, opened; whoever opened it closes it. */
final class PlatformJar implements AutoCloseable {
    private static final String MAVEN_PROPERTIES = "META-INF/maven/org.bytedeco/openblas/pom.properties";

    /** A library in the jar, with what the jar's directory says of it. */
    record Library(String name, long size, long crc) {}

    private final JarFile jar;
    private final Platform platform;
    private final String version;
    private final List<Library> libraries;

    private PlatformJar(JarFile jar, Platform platform) throws IOException {
        this.jar = jar;
        this.platform = platform;
        this.version = versionIn(jar);
        this.libraries = librariesIn(jar, platform.folder());
    }

    /** Opens the jar in which {@code loader} finds the library of {@code platform}. */
    static PlatformJar open(ClassLoader loader, Platform platform) throws IOException {
        URL url = loader.getResource(platform.folder() + platform.library());
        if (url == null || !(url.openConnection() instanceof JarURLConnection connection)) {
            throw new BlasUnavailableException(
                    "the jar org.bytedeco:openblas with classifier " + platform.classifier()
                            + " is not on the class path" + (url == null ? "" : " as a jar: found " + url),
                    "add that jar to the class path, or name a CBLAS with --blas PATH",
                    null);
        }
        // A cached JarFile would be shared with every other user of the URL and could not be closed.
        connection.setUseCaches(false);
        JarFile jar = connection.getJarFile();
        try {
            return new PlatformJar(jar, platform);
        } catch (IOException | RuntimeException e) {
            jar.close();
            throw e;
        }
    }

    private static String versionIn(JarFile jar) throws IOException {
        ZipEntry entry = jar.getEntry(MAVEN_PROPERTIES);
        if (entry == null) return "unknown";
        Properties properties = new Properties();
        try (InputStream in = jar.getInputStream(entry)) {
            properties.load(in);
        }
        return properties.getProperty("version", "unknown");
    }

    /**
     * The library and what it is linked against: libopenblas alone on Windows; on Linux and macOS also libgfortran,
     * libgcc_s and, save on linux-arm64, libquadmath. Beside them lie JavaCPP's libraries, which are left where they are.
     */
    private static List<Library> librariesIn(JarFile jar, String folder) {
        // Loops, here and below: the first stream and the first lambda of a JVM cost a start some 50 ms.
        List<Library> libraries = new ArrayList<>();
        for (Enumeration<JarEntry> entries = jar.entries(); entries.hasMoreElements(); ) {
            JarEntry entry = entries.nextElement();
            if (!entry.getName().startsWith(folder)) continue;
            String name = entry.getName().substring(folder.length());
            if (name.startsWith("lib") && !name.startsWith("libjni") && name.indexOf('/') < 0) {
                libraries.add(new Library(name, entry.getSize(), entry.getCrc()));
            }
        }
        return libraries;
    }

    List<Library> libraries() {
        return libraries;
    }

    InputStream open(Library library) throws IOException {
        return jar.getInputStream(jar.getEntry(platform.folder() + library.name()));
    }

    /** The file on disk, for messages. */
    String file() {
        return jar.getName();
    }

    String coordinates() {
        return "org.bytedeco:openblas:" + version + ":" + platform.classifier();
    }

    /** A folder name that is another one for another version, platform or content. */
    String key() {
        CRC32 crc = new CRC32();
        for (Library library : libraries) {
            crc.update(library.name().getBytes(StandardCharsets.UTF_8));
            crc.update(Long.toString(library.size()).getBytes(StandardCharsets.UTF_8));
            crc.update(Long.toHexString(library.crc()).getBytes(StandardCharsets.UTF_8));
        }
        return String.join("-", version, platform.classifier(), Long.toHexString(crc.getValue()));
    }

    @Override
    public void close() throws IOException {
        jar.close();
    }
}
