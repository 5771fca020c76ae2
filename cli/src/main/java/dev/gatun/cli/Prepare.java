package dev.gatun.cli;

import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * Runs some commands on small models, so that the launcher can archive the classes that they load. What they print is nothing to
 * anyone, and whether they succeed neither: the GGUF file has no vocabulary, and all else of {@code generate} is loaded before that
 * shows.
 */
public final class Prepare {
    private Prepare() {}

    /**
     * Runs them.
     *
     * @param args the folder with the golden data
     */
    public static void main(String[] args) {
        Path golden = Path.of(args[0]);
        List<String[]> commands = List.of(
                new String[] {"translate", "two hundred and five"},
                new String[] {"verify", golden.resolve("models/llama").toString(), "--backend", "auto"},
                new String[] {"embed", "a lock"},
                new String[] {
                    "generate",
                    "--model",
                    golden.resolve("gguf/llama.gguf").toString(),
                    "--prompt",
                    "a",
                    "--max-tokens",
                    "1"
                });
        PrintStream none = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        System.setProperty("slf4j.internal.verbosity", "ERROR");
        for (String[] command : commands) {
            int code = Main.run(
                    command, InputStream.nullInputStream(), () -> false, OutputStream.nullOutputStream(), none);
            System.err.println(command[0] + " " + code); // for the launcher's prepare.log
        }
        System.exit(0);
    }
}
