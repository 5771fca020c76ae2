package dev.gatun.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Runs some commands on small models, so that the launcher can keep the classes that they load. What they print is nothing to
 * anyone, and whether they succeed neither. None of them needs the Vector API where there is machine code: the JVM writes no AOT cache
 * with a class of a module that was loaded later.
 */
public final class Prepare {
    private Prepare() {}

    /**
     * Runs them.
     *
     * @param args the folder with the golden data
     */
    public static void main(String[] args) throws IOException {
        Path golden = Path.of(args[0]);
        Path packed = Files.createTempFile("gatun", ".packed");
        Files.delete(packed);
        List<String[]> commands = List.of(
                new String[] {"translate", "two hundred and five"},
                new String[] {"embed", "a lock"},
                new String[] {"pack", "all-minilm-l6-v2", packed.toString()},
                new String[] {"embed", "--model", packed.toString(), "a lock"},
                new String[] {
                    "generate",
                    "--model",
                    golden.resolve("spm/llama-spm.gguf").toString(),
                    "--prompt",
                    "a",
                    "--max-tokens",
                    "2"
                });
        PrintStream none = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        System.setProperty("slf4j.internal.verbosity", "ERROR");
        for (String[] command : commands) {
            int code = Main.run(
                    command, InputStream.nullInputStream(), () -> false, OutputStream.nullOutputStream(), none);
            System.err.println(command[0] + " " + code); // for the launcher's prepare.log
        }
        Files.deleteIfExists(packed);
        System.exit(0);
    }
}
