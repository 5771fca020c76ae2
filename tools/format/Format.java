import com.palantir.javaformat.java.Formatter;
import com.palantir.javaformat.java.FormatterException;
import com.palantir.javaformat.java.JavaFormatterOptions;
import com.palantir.javaformat.java.JavaFormatterOptions.Style;
import java.io.IOException;
import java.io.UncheckedIOException;
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
import java.util.Objects;
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

    private final Set<String> known;
    private final boolean fix;

    private Format(Set<String> known, boolean fix) {
        this.known = known;
        this.fix = fix;
    }

    /** What came out for one file: the hash of its formatted text, or else what is wrong with it. */
    private record Result(String hash, String problem) {}

    public static void main(String[] args) throws IOException {
        if (args.length != 1 || !List.of("check", "fix").contains(args[0])) {
            System.err.println("Format: say check or fix");
            System.exit(2);
        }
        Set<String> known = Files.exists(KNOWN) ? new HashSet<>(Files.readAllLines(KNOWN)) : Set.of();
        Format format = new Format(known, args[0].equals("fix"));
        List<Result> results = sources().parallelStream().map(format::format).toList();
        List<String> problems =
                results.stream().map(Result::problem).filter(Objects::nonNull).toList();
        Files.createDirectories(KNOWN.getParent());
        Files.write(
                KNOWN,
                results.stream().map(Result::hash).filter(Objects::nonNull).toList());
        if (problems.isEmpty()) {
            Files.deleteIfExists(UNFORMATTED);
        } else {
            Files.write(UNFORMATTED, problems);
            problems.forEach(System.out::println);
            System.exit(3);
        }
    }

    private Result format(Path file) {
        try {
            String text = Files.readString(file);
            String hash = hash(text);
            if (known.contains(hash)) {
                return new Result(hash, null);
            }
            JavaFormatterOptions options =
                    JavaFormatterOptions.builder().style(Style.PALANTIR).build();
            String formatted = Formatter.createFormatter(options).formatSourceAndFixImports(text);
            if (formatted.equals(text)) {
                return new Result(hash, null);
            }
            if (!fix) {
                return new Result(null, "not formatted: " + file);
            }
            Files.writeString(file, formatted);
            System.out.println("formatted: " + file);
            return new Result(hash(formatted), null);
        } catch (FormatterException e) {
            return new Result(null, "not readable: " + file + ":" + e.getMessage());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
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
