package dev.gatun.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.List;

/** What a command did. */
record Outcome(int code, String out, String err) {
    /** Runs a command with nothing on stdin. */
    static Outcome of(String... args) {
        return withInput("", args);
    }

    static Outcome withInput(String input, String... args) {
        return run(input, false, args);
    }

    /** Runs a command whose stdin is a terminal, at which nobody types anything. */
    static Outcome atTerminal(String... args) {
        return run("", true, args);
    }

    private static Outcome run(String input, boolean terminal, String... args) {
        var out = new ByteArrayOutputStream();
        var err = new ByteArrayOutputStream();
        int code = Main.run(
                args,
                new ByteArrayInputStream(input.getBytes(UTF_8)),
                () -> terminal,
                out,
                new PrintStream(err, true, UTF_8));
        return new Outcome(code, out.toString(UTF_8), err.toString(UTF_8));
    }

    /** Lines of stdout. */
    List<String> lines() {
        return out.lines().toList();
    }

    /** That the command did its work and had nothing to say beside the result. */
    Outcome isDone() {
        assertThat(err).isEmpty();
        assertThat(code).isZero();
        return this;
    }

    /** That the command refused, with nothing on stdout and one line on stderr that has all of these parts. */
    void refusesWith(String... parts) {
        assertThat(err).startsWith("gatun: ").contains(parts).endsWith(System.lineSeparator());
        assertThat(err.lines()).hasSize(1);
        assertThat(out).isEmpty();
        assertThat(code).isEqualTo(2);
    }
}
