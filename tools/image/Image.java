import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.module.Configuration;
import java.lang.module.FindException;
import java.lang.module.ModuleFinder;
import java.lang.module.ResolvedModule;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * Makes a folder that runs Gatun on a machine without Java, for systems and processors like this one: the jars, the parts of this JDK
 * that they need (by jlink), the scripts that start them, and an AOT cache for fast starts; and beside it the same as a
 * tar.gz.
 */
public final class Image {
    /** What vector kernels load, and what libraries use if it is there, and are slower without: sun.misc.Unsafe. */
    private static final List<String> MORE_MODULES = List.of("jdk.incubator.vector", "jdk.unsupported");

    private Image() {}

    /**
     * Makes it.
     *
     * @param args the folder of the jars, one of them gatun.jar; the folder of the scripts; the folder with the golden data; the
     *     folder to be made, which is replaced
     */
    public static void main(String[] args) throws IOException, InterruptedException {
        Path jars = Path.of(args[0]);
        Path scripts = Path.of(args[1]);
        Path golden = Path.of(args[2]);
        Path image = Path.of(args[3]).toAbsolutePath();
        delete(image);
        Path lib = Files.createDirectories(image.resolve("lib"));
        copy(jars, lib);
        ClassVersions.raise(lib);
        copy(scripts, Files.createDirectories(image.resolve("bin")));
        Path runtime = image.resolve("runtime");
        run(
                "jlink",
                "--add-modules",
                String.join(",", modules(lib)),
                "--strip-java-debug-attributes",
                "--no-header-files",
                "--no-man-pages",
                "--generate-cds-archive",
                "--output",
                runtime.toString());
        linkClasses(runtime, lib, golden);
        Path name = image.getFileName();
        start(List.of("tar", "-czf", name + ".tar.gz", name.toString()), image.getParent());
    }

    /**
     * Modules of the JDK that the command line's module asks for, itself or through others: those that it also has when it runs as a
     * module, which proves that they are enough.
     */
    private static TreeSet<String> modules(Path lib) throws IOException {
        List<Path> jars = new ArrayList<>();
        try (Stream<Path> files = Files.list(lib)) {
            files.filter(Image::isModule).forEach(jars::add);
        }
        ModuleFinder system = ModuleFinder.ofSystem();
        var modules = new TreeSet<>(MORE_MODULES);
        Configuration.empty()
                .resolve(ModuleFinder.of(jars.toArray(Path[]::new)), system, Set.of("dev.gatun.cli"))
                .modules()
                .stream()
                .map(ResolvedModule::name)
                .filter(name -> system.find(name).isPresent())
                .forEach(modules::add);
        return modules;
    }

    /** Not one that holds libraries only, in packages no module could have. */
    private static boolean isModule(Path file) {
        try {
            return !ModuleFinder.of(file).findAll().isEmpty();
        } catch (FindException e) {
            return false;
        }
    }

    private static void run(String tool, String... args) {
        var out = new StringWriter();
        ToolProvider provider =
                ToolProvider.findFirst(tool).orElseThrow(() -> new IllegalStateException("this Java has no " + tool));
        int code = provider.run(new PrintWriter(out), new PrintWriter(out), args);
        if (code != 0) {
            throw new IllegalStateException(tool + " ended with " + code + ": " + out);
        }
    }

    /** Has the command line run what it is mostly started for, for the JVM to write down the classes it loaded, linked. */
    private static void linkClasses(Path runtime, Path lib, Path golden) throws IOException, InterruptedException {
        start(
                List.of(
                        runtime.resolve("bin/java").toString(),
                        "-XX:+UseSerialGC",
                        "-XX:AOTCacheOutput=" + lib.resolve("start.aot"),
                        "-Xlog:disable",
                        "--enable-native-access=ALL-UNNAMED",
                        "--add-exports=java.base/jdk.internal.module=ALL-UNNAMED",
                        "-cp", // the manifest's options are of -jar, its class path is the same
                        lib.resolve("gatun.jar").toString(),
                        "dev.gatun.cli.Prepare",
                        golden.toAbsolutePath().toString()),
                lib);
    }

    private static void start(List<String> command, Path folder) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .inheritIO()
                .start();
        int code = process.waitFor();
        if (code != 0) {
            throw new IllegalStateException(String.join(" ", command) + " ended with " + code);
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()), StandardCopyOption.COPY_ATTRIBUTES);
            }
        }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, IOException e) throws IOException {
                Files.delete(visited);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
