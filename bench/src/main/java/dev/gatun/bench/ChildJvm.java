package dev.gatun.bench;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** Command lines of JVMs as this one: the same JDK and code, on the module path if that is where this one has it. */
final class ChildJvm {
    private ChildJvm() {}

    /** Runs a main class of this module. */
    static ProcessBuilder of(Class<?> main, List<String> jvmOptions, List<String> args) {
        List<String> options = new ArrayList<>(List.of("--add-modules", "jdk.incubator.vector"));
        options.addAll(jvmOptions);
        return command(main, options, args);
    }

    /** The same as {@code ./gatun} starts: vector kernels load the Vector API, others do without. */
    static ProcessBuilder asLaunched(Class<?> main, List<String> jvmOptions, List<String> args) {
        String user = main.getModule().isNamed() ? "dev.gatun.ops" : "ALL-UNNAMED";
        List<String> options = new ArrayList<>(List.of("--add-exports=java.base/jdk.internal.module=" + user));
        options.addAll(jvmOptions);
        return command(main, options, args);
    }

    /**
     * Runs a process made by {@link #asLaunched} to its end, for the JVM to write its AOT cache; where it can't, as with classes in
     * folders, there is none, and starts are slower.
     *
     * @return the option that later processes use it by
     */
    static String aotCache(Path file, Function<String, ProcessBuilder> process) throws IOException {
        ProcessBuilder builder = process.apply("-XX:AOTCacheOutput=" + file);
        Process training = builder.redirectErrorStream(true).start();
        training.getOutputStream().close();
        try (InputStream out = training.getInputStream()) {
            out.transferTo(OutputStream.nullOutputStream());
            training.waitFor();
        } catch (InterruptedException e) {
            throw new IOException("interrupted while a process ran", e);
        } finally {
            training.destroy();
        }
        return "-XX:AOTCache=" + file;
    }

    private static ProcessBuilder command(Class<?> main, List<String> jvmOptions, List<String> args) {
        List<String> command = start(jvmOptions);
        if (main.getModule().isNamed()) {
            command.addAll(List.of("--module-path", System.getProperty("jdk.module.path")));
            command.addAll(List.of("-cp", System.getProperty("java.class.path")));
            command.addAll(List.of("--module", main.getModule().getName() + "/" + main.getName()));
        } else {
            command.addAll(List.of("-cp", System.getProperty("java.class.path")));
            command.add(main.getName());
        }
        command.addAll(args);
        return new ProcessBuilder(command);
    }

    /**
     * Moves the arguments to a file, which may be deleted once the JVM runs: ONNX Runtime 1.29 dies where the command line of its
     * process has more than 4 KB, as one has that names every jar.
     */
    static Path argumentsToFile(ProcessBuilder builder) throws IOException {
        List<String> command = builder.command();
        Path file = Files.createTempFile("gatun-bench", ".args");
        Files.write(
                file,
                command.subList(1, command.size()).stream()
                        .map(arg -> '"' + arg.replace("\\", "\\\\").replace("\"", "\\\"") + '"')
                        .toList());
        builder.command(command.getFirst(), "@" + file);
        return file;
    }

    /** Starts it, with its stderr on ours, but for what every JVM with the Vector API says. */
    static Process start(ProcessBuilder builder) throws IOException {
        Process process = builder.start();
        Thread.ofVirtual().start(() -> {
            try (BufferedReader err = process.errorReader()) {
                err.lines()
                        .filter(line -> !line.startsWith("WARNING: Using incubator modules"))
                        .forEach(System.err::println);
            } catch (IOException | UncheckedIOException _) {
                // The process was ended while it said something.
            }
        });
        return process;
    }

    /** Runs JMH's own main class, which starts JVMs of the class path that it has itself. */
    static ProcessBuilder jmh(List<String> args) {
        List<String> path = new ArrayList<>();
        for (String folder : System.getProperty("jdk.module.path", "").split(File.pathSeparator, -1)) {
            if (!folder.isEmpty()) {
                path.add(folder + File.separator + "*");
            }
        }
        path.add(System.getProperty("java.class.path"));
        List<String> command = start(List.of("--add-modules", "jdk.incubator.vector"));
        command.addAll(List.of("-cp", String.join(File.pathSeparator, path), "org.openjdk.jmh.Main"));
        command.addAll(args);
        return new ProcessBuilder(command).inheritIO();
    }

    private static List<String> start(List<String> jvmOptions) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:+UseSerialGC", "-Xlog:disable", "-Xlog:all=warning,cds*=off,aot*=off:stderr"));
        for (String arg : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
            if (arg.startsWith("--enable-native-access") || arg.startsWith("-Dgatun.")) {
                command.add(arg);
            }
        }
        command.addAll(jvmOptions);
        return command;
    }
}
