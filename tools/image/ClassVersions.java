import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeTransform;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/**
 * Brings the classes of a folder's jars that were compiled for Java 5 (picocli's) to the form of Java 8, the same code with stack maps:
 * the JVM verifies classes without them slowly, at each start, and keeps none in its AOT cache.
 */
public final class ClassVersions {
    private static final int OLDEST = ClassFile.JAVA_7_VERSION;
    private static final int RAISED = ClassFile.JAVA_8_VERSION;
    private static final String SUFFIX = ".class";

    private ClassVersions() {}

    /**
     * Does so.
     *
     * @param args the folder
     */
    public static void main(String[] args) throws IOException {
        raise(Path.of(args[0]));
    }

    static void raise(Path folder) throws IOException {
        List<Path> jars;
        try (Stream<Path> files = Files.list(folder)) {
            jars = files.filter(file -> file.toString().endsWith(".jar")).toList();
        }
        for (Path jar : jars) {
            Map<String, byte[]> entries = read(jar);
            boolean signed = entries.keySet().stream().anyMatch(name -> name.matches("META-INF/[^/]+\\.SF"));
            if (!signed && entries.entrySet().stream().anyMatch(ClassVersions::isOld)) {
                raise(jar, entries);
            }
        }
    }

    private static boolean isOld(Map.Entry<String, byte[]> entry) {
        byte[] bytes = entry.getValue();
        return entry.getKey().endsWith(SUFFIX)
                && bytes.length > 8
                && ((bytes[6] & 0xFF) << 8 | bytes[7] & 0xFF) < OLDEST;
    }

    private static Map<String, byte[]> read(Path jar) throws IOException {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        try (var in = new ZipInputStream(Files.newInputStream(jar))) {
            for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                if (!entry.isDirectory()) {
                    entries.put(entry.getName(), in.readAllBytes());
                }
            }
        }
        return entries;
    }

    private static void raise(Path jar, Map<String, byte[]> entries) throws IOException {
        ClassHierarchyResolver own = ClassHierarchyResolver.ofResourceParsing(
                type -> stream(entries.get(type.descriptorString().substring(1).replace(";", SUFFIX))));
        ClassFile file = ClassFile.of(
                ClassFile.StackMapsOption.GENERATE_STACK_MAPS,
                ClassFile.ClassHierarchyResolverOption.of(own.orElse(ClassHierarchyResolver.defaultResolver())));
        ClassTransform newVersion = (builder, element) -> {
            if (element instanceof ClassFileVersion) {
                builder.withVersion(RAISED, 0);
            } else {
                builder.with(element);
            }
        };
        ClassTransform transform =
                newVersion.andThen(ClassTransform.transformingMethodBodies(CodeTransform.ACCEPT_ALL));
        Path raised = jar.resolveSibling(jar.getFileName() + ".new");
        try (OutputStream out = Files.newOutputStream(raised);
                var zip = new ZipOutputStream(out)) {
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                byte[] bytes = entry.getValue();
                zip.putNextEntry(new ZipEntry(entry.getKey()));
                zip.write(isOld(entry) ? file.transformClass(file.parse(bytes), transform) : bytes);
                zip.closeEntry();
            }
        }
        Files.move(raised, jar, StandardCopyOption.REPLACE_EXISTING);
    }

    private static InputStream stream(byte[] bytes) {
        return bytes == null ? null : new ByteArrayInputStream(bytes);
    }
}
