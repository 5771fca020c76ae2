package dev.gatun.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** What the user typed. */
final class Arguments {
    private static final Path COMMAND_LINE = Path.of("/proc/self/cmdline");

    private Arguments() {}

    /**
     * The arguments of main, read again as UTF-8 where the JVM could not read them: without a locale (POSIX, C), as in most
     * containers, it decodes them as ASCII, and every byte beyond that is lost. Linux still has the bytes.
     */
    static String[] asTyped(String[] args) {
        for (String arg : args) {
            if (arg.indexOf('\uFFFD') >= 0) {
                return reread(args);
            }
        }
        return args;
    }

    private static String[] reread(String[] args) {
        try {
            String[] all = new String(Files.readAllBytes(COMMAND_LINE), StandardCharsets.UTF_8).split("\0", -1);
            // Each word ends with a NUL, so the last part is empty; ours are the last words.
            int end = all.length - 1;
            return end >= args.length ? Arrays.copyOfRange(all, end - args.length, end) : args;
        } catch (IOException e) {
            return args; // no Linux: as the JVM has them
        }
    }
}
