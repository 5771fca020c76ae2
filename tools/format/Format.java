import com.palantir.javaformat.java.Formatter;
import com.palantir.javaformat.java.FormatterException;
import com.palantir.javaformat.java.JavaFormatterOptions;
import com.palantir.javaformat.java.JavaFormatterOptions.Style;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * Checks that every source file is laid out as palantir-java-format would do it, or with {@code fix} makes it so. The
 * root of the project is the current folder. Where a file is not formatted, or cannot be read as Java, the exit code is
 * 3 and target/format/unformatted lists what is printed; the build fails on that file.
 */
public final class Format {
    /** Hashes of texts that were found formatted: warming up the formatter costs seconds, hashing nothing. */
    private static final Path KNOWN = Path.of("target", "format", "known");

    private static final Path UNFORMATTED = Path.of("target", "format", "unformatted");

    private final Set<String> known = new HashSet<>();
    private final List<String> problems = new ArrayList<>();
    private final boolean fix;
    private Formatter formatter;

    private Format(boolean fix) {
        this.fix = fix;
    }

    public static void main(String[] args) throws IOException {
        if (args.length != 1 || !List.of("check", "fix").contains(args[0])) {
            System.err.println("Format: say check or fix");
            System.exit(2);
        }
        System.exit(new Format(args[0].equals("fix")).run() ? 0 : 3);
    }

    private boolean run() throws IOException {
        Set<String> before = Files.exists(KNOWN) ? new HashSet<>(Files.readAllLines(KNOWN)) : Set.of();
        for (Path file : sources()) {
            String text = Files.readString(file);
            String hash = hash(text);
            if (before.contains(hash)) {
                known.add(hash);
            } else {
                format(file, text, hash);
            }
        }
        Files.createDirectories(KNOWN.getParent());
        if (!known.equals(before)) {
            Files.write(KNOWN, known.stream().sorted().toList());
        }
        if (problems.isEmpty()) {
            Files.deleteIfExists(UNFORMATTED);
        } else {
            Files.write(UNFORMATTED, problems);
            problems.forEach(System.out::println);
        }
        return problems.isEmpty();
    }

    private void format(Path file, String text, String hash) throws IOException {
        if (formatter == null) {
            formatter = Formatter.createFormatter(
                    JavaFormatterOptions.builder().style(Style.PALANTIR).build());
        }
        try {
            String formatted = formatter.formatSourceAndFixImports(text);
            if (formatted.equals(text)) {
                known.add(hash);
            } else if (fix) {
                Files.writeString(file, formatted);
                known.add(hash(formatted));
                System.out.println("formatted: " + file);
            } else {
                problems.add("not formatted: " + file);
            }
        } catch (FormatterException e) {
            problems.add("not readable: " + file + ":" + e.getMessage());
        }
    }

    /** The Java files of the project but what others generated, in a fixed order. */
    private static List<Path> sources() throws IOException {
        List<Path> sources = new ArrayList<>();
        Files.walkFileTree(Path.of(""), new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
                String name = folder.getFileName().toString();
                boolean others = name.equals("target") || name.equals("generated") || name.equals("golden");
                return others || name.startsWith(".") ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                if (file.toString().endsWith(".java")) {
                    sources.add(file);
                }
                return FileVisitResult.CONTINUE;
            }
        });
        return sources.stream().sorted().toList();
    }

    private static String hash(String text) {
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            // The formatter's version is in the name of its jar: a new version looks at every file again.
            sha.update(System.getProperty("java.class.path").getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(sha.digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }
}
