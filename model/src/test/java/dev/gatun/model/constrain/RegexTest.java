package dev.gatun.model.constrain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import net.jqwik.api.Assume;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Regular expressions against java.util.regex. */
class RegexTest {
    private static final List<String> ATOMS = List.of(
            "a",
            "b",
            "\u00e9",
            "\u65e5",
            "\ud83d\ude80",
            ".",
            "[ab]",
            "[^a]",
            "[a-c\u00e0-\u00ff]",
            "\\d",
            "\\w",
            "\\s",
            "\\D",
            "[^\\d]",
            "\\.",
            "\\x61",
            "\\u00e9",
            "\\p{Lu}",
            "\\P{L}",
            "[\\w-]",
            "\\n",
            "[\\[\\]\"]");

    private static String pattern(Random random, int depth) {
        int kind = depth == 0 ? 0 : random.nextInt(7);
        return switch (kind) {
            case 0, 1 -> ATOMS.get(random.nextInt(ATOMS.size()));
            case 2, 3 -> pattern(random, depth - 1) + pattern(random, depth - 1);
            case 4 -> "(" + pattern(random, depth - 1) + "|" + pattern(random, depth - 1) + ")";
            case 5 -> "(?:" + pattern(random, depth - 1) + ")" + quantifier(random);
            default ->
                "(?:" + pattern(random, depth - 1) + (random.nextBoolean() ? "|" : "") + ")"
                        + pattern(random, depth - 1);
        };
    }

    private static String quantifier(Random random) {
        return List.of("*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "{0,2}?").get(random.nextInt(8));
    }

    /** Of a pattern that may be beyond the limits: another is tried then. */
    private static Constraint constraint(String pattern) {
        try {
            return Constraint.regex(pattern);
        } catch (ConstraintException e) {
            Assume.that(!e.getMessage().contains(" is too "));
            throw e;
        }
    }

    @Property(tries = 100)
    void textsMatch(@ForAll long seed) {
        var random = new Random(seed);
        String pattern = pattern(random, 4);
        Constraint constraint = constraint(pattern);
        for (int i = 0; i < 3; i++) {
            String text = Walk.text(constraint, random, 12);
            assertThat(Pattern.matches(pattern, text))
                    .as("\"%s\" for %s", text, pattern)
                    .isTrue();
        }
    }

    /** Short texts of few characters, most of which some pattern takes and some does not. */
    @Property(tries = 100)
    void textsThatMatchAreTakenAndNoOthers(@ForAll long seed) {
        var random = new Random(seed);
        String pattern = pattern(random, 4);
        Constraint constraint = constraint(pattern);
        List<String> alphabet = List.of("a", "b", "1", "\u00e9", "\ud83d\ude80", "\"", "B", "\n");
        for (int i = 0; i < 30; i++) {
            var text = new StringBuilder();
            for (int n = random.nextInt(6); n > 0; n--) {
                text.append(alphabet.get(random.nextInt(alphabet.size())));
            }
            assertThat(Walk.takes(constraint, text.toString()))
                    .as("\"%s\" for %s", text, pattern)
                    .isEqualTo(Pattern.matches(pattern, text));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ' ',
            value = {
                "^ab$ ab true",
                "a(^b|c) ab false",
                "(^a|b$) b true",
                "(^|x)a a true",
                "(^|x)a xa true",
                "(?i)ab* aBB true",
                "(?i)[^a] A false",
                "(?<year>\\d{4})-\\d\\d 2024-12 true",
                "[a-f0-9]{8} 0123abcd true",
                "[a-f0-9]{8} 0123abc false",
                "a{0} '' true",
                "^$ '' true",
                "(a?){3} aaaa false",
                "(a*)* aaaa true"
            })
    void anchorsAndTheRest(String pattern, String text, boolean taken) {
        assertThat(Walk.takes(Constraint.regex(pattern), text)).isEqualTo(taken);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ' ',
            value = {
                "(?=a)b look-around",
                "(a)\\1 \\1",
                "\\bword \\b",
                "a** quantifier",
                "a++ possessive",
                "*a quantifier",
                "(a (",
                "a) )",
                "[a early",
                "[] empty",
                "[z-a] range",
                "[[a] differently",
                "[a&&b] differently",
                "a{ {",
                "a{2 {n}",
                "a{3,1} {n}",
                "a{10001} 10000",
                "\\p{Foo} Foo",
                "\\p{L \\p",
                "\\u12xy hexadecimal",
                "\\ud83d surrogate",
                "\\x{110000} character",
                "\\q \\q",
                "(?i \\(?",
                "a\\ early"
            })
    void whatIsNotSupportedIsOneErrorThatNamesIt(String pattern, String named) {
        assertThatThrownBy(() -> Constraint.regex(pattern))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining(named.replace("\\(?", "(?"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "((a{1000}){1000}){1000}",
                "(a|b)*a(a|b){25}",
                "((a?){300}){300}",
                "\\p{L}{1000}",
                "(.*.*.*.*.*){9999}",
                "(((((a*)*b)*c)*d){9999}){3}",
                "[^a]*(\\w|\\d){5000}"
            })
    void hostilePatternsAreOneError(String pattern) {
        assertThatThrownBy(() -> Constraint.regex(pattern))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining("too ");
    }

    @Test
    void hostileNestingAndLengthAreErrors() {
        assertThatThrownBy(() -> Constraint.regex("(".repeat(5000) + ")".repeat(5000)))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining("nested more than 100 deep");
        assertThatThrownBy(() -> Constraint.regex("a".repeat(10_001))).hasMessageContaining("10001 chars");
        assertThatThrownBy(() -> Constraint.regex("a\ud83d")).hasMessageContaining("lone surrogate");
    }

    @Test
    void aPatternThatNoTextMatchesIsAnError() {
        assertThatThrownBy(() -> Constraint.regex("a^b$c"))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining("no text matches");
        assertThatThrownBy(() -> Constraint.regex("[^\\s\\S]")).hasMessageContaining("no text matches");
    }
}
