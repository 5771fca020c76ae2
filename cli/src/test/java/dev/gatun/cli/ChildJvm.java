package dev.gatun.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Other processes with this one's JDK and class path. */
public final class ChildJvm {
    private ChildJvm() {}

    /** Runs a main class, once it is started; by {@code jvmOptions} first. */
    public static ProcessBuilder of(List<String> jvmOptions, String main, String... args) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvmOptions);
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.addAll(List.of("--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"));
        command.addAll(List.of("-Xlog:disable", main));
        command.addAll(List.of(args));
        return new ProcessBuilder(command);
    }

    /** Runs the command line, as quick to start as it can be. */
    public static ProcessBuilder gatun(String... args) {
        return of(List.of("-XX:TieredStopAtLevel=1"), "dev.gatun.cli.Main", args);
    }
}
