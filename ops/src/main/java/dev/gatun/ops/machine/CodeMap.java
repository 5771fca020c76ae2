package dev.gatun.ops.machine;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Where functions of ours are, as {@code perf} reads it: a line each, address and size in hexadecimal digits, name. Written if asked
 * for by a system property.
 */
final class CodeMap {
    /** The file's name, in which {@code %p} is this process's number; perf looks for {@code perf-%p.map} in the folder of temporary files. */
    static final String PROPERTY = "gatun.machine.map";

    private final @Nullable Path file;

    private CodeMap(@Nullable Path file) {
        this.file = file;
    }

    /** As the system property says. */
    static CodeMap ofProperty() {
        String name = System.getProperty(PROPERTY);
        return new CodeMap(
                name == null
                        ? null
                        : Path.of(name.replace(
                                "%p", Long.toString(ProcessHandle.current().pid()))));
    }

    /** A file that can't be written is a WARNING: code runs as well without it. */
    void add(String function, long address, long size) {
        if (file == null) {
            return;
        }
        String line = String.format(Locale.ROOT, "%x %x gatun %s%n", address, size, function);
        try {
            Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            System.getLogger(CodeMap.class.getName())
                    .log(Level.WARNING, "the map of machine code, " + file + ", can't be written: " + e.getMessage());
        }
    }
}
