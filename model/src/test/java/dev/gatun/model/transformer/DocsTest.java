package dev.gatun.model.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** docs/TRANSFORMER.md quotes lines of code, each below a link to its file: they must stand there. */
class DocsTest {
    private static final Path PAGE = Path.of("..", "docs", "TRANSFORMER.md");
    private static final Pattern LINK = Pattern.compile("\\[[^]]+]\\((?!https?:)([^)#]+)[^)]*\\)");
    private static final Pattern FILE_LINE = Pattern.compile("^\\[[^]]+]\\(([^)]+\\.java)\\)$");

    private record Quote(int line, Path file, String code) {}

    /** Lines within a java fence, with the file that the last line before the fence links to. */
    private static List<Quote> quotes() throws IOException {
        List<Quote> quotes = new ArrayList<>();
        Path file = null;
        boolean inside = false;
        int number = 0;
        for (String line : Files.readAllLines(PAGE)) {
            number++;
            if (line.startsWith("```")) {
                inside = line.equals("```java");
                assertThat(inside && file == null)
                        .as("line " + number + ": a quote without a link to its file")
                        .isFalse();
            } else if (inside && file != null) {
                quotes.add(new Quote(number, file, line));
            } else if (!line.isBlank()) {
                Matcher link = FILE_LINE.matcher(line);
                file = link.matches() ? PAGE.resolveSibling(link.group(1)) : null;
            }
        }
        return quotes;
    }

    /** Code without the line breaks, blanks and shape comments that a formatter may move. */
    private static String squeeze(String code) {
        return code.replaceAll("//.*", "").replaceAll("\\s+", "");
    }

    @Test
    void eachQuotedLineStandsInTheFileAboveIt() throws IOException {
        List<Quote> quotes = quotes();
        assertThat(quotes).as("quoted lines").hasSizeGreaterThan(40);
        for (Quote quote : quotes) {
            assertThat(squeeze(Files.readString(quote.file)))
                    .as("line " + quote.line + " of " + PAGE.getFileName() + " quotes " + quote.file.getFileName())
                    .contains(squeeze(quote.code));
        }
    }

    @Test
    void eachLinkLeadsToAFile() throws IOException {
        Matcher link = LINK.matcher(Files.readString(PAGE));
        while (link.find()) {
            assertThat(PAGE.resolveSibling(link.group(1))).isRegularFile();
        }
    }
}
