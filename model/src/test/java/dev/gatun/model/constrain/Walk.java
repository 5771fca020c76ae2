package dev.gatun.model.constrain;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Texts made by picking among the tokens that are allowed, as a model would. */
final class Walk {
    /** All bytes, some pieces of several, also of parts of characters, and an end. */
    static final TokenBytes TOKENS;

    static final int END;

    static {
        List<byte[]> tokens = new ArrayList<>();
        for (int b = 0; b < 256; b++) {
            tokens.add(new byte[] {(byte) b});
        }
        for (String piece : List.of(
                "\":",
                "\": ",
                "\",",
                "{\"",
                "\"}",
                "[]",
                "{}",
                "}]",
                "true",
                "false",
                "null",
                "ab",
                "abc",
                " \"",
                "12",
                "0.5",
                "-1",
                "\u00e9",
                "\u65e5\u672c",
                "\ud83d\ude80",
                "a\u00e9",
                "\n  ",
                ", ",
                "aa",
                "b\"",
                "e+1",
                "\\n",
                "\\u00")) {
            tokens.add(piece.getBytes(StandardCharsets.UTF_8));
        }
        tokens.add(new byte[] {'a', (byte) 0xc3});
        tokens.add(new byte[] {(byte) 0xa9, 'b'});
        tokens.add(new byte[] {(byte) 0x9f, (byte) 0x9a});
        END = tokens.size();
        tokens.add(new byte[0]);
        TOKENS = new TokenBytes(new ArrayList<@Nullable byte[]>(tokens), false);
    }

    private Walk() {}

    static Matcher matcher(Constraint constraint) {
        return constraint.matcher(TOKENS, Set.of(END));
    }

    /** A text of {@code length} tokens or fewer, and then the shortest way to an end. */
    static String text(Constraint constraint, Random random, int length) {
        Matcher matcher = matcher(constraint);
        var bytes = new ByteArrayOutputStream();
        for (int n = 0; n < length && !matcher.complete(); n++) {
            BitSet allowed = matcher.allowed();
            assertThat(allowed.isEmpty())
                    .as("nothing is allowed after %s", bytes.toString(StandardCharsets.UTF_8))
                    .isFalse();
            int id = pick(allowed, random);
            if (id == END) {
                return utf8(bytes.toByteArray());
            }
            matcher.accept(id);
            bytes.writeBytes(TOKENS.bytes(id));
        }
        bytes.writeBytes(shortestEnd(matcher, bytes.toByteArray()));
        return utf8(bytes.toByteArray());
    }

    /** A way on: {@code open} counts the brackets of JSON that are not closed. */
    private record Step(Matcher.Place place, @Nullable Step before, int b, int length, int open, boolean inString) {
        Step then(Matcher.Place next, int c) {
            boolean quote = c == '"' && b != '\\';
            int more = inString ? 0 : c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
            return new Step(next, this, c, length + 1, open + more, inString != quote);
        }

        int cost() {
            return length + 50 * open;
        }
    }

    private static byte[] shortestEnd(Matcher matcher, byte[] text) {
        Set<Object> seen = new HashSet<>();
        Queue<Step> open = new PriorityQueue<>(Comparator.comparingInt(Step::cost));
        Step start = new Step(matcher.place(), null, 0, 0, 0, false);
        for (byte b : text) {
            start = start.then(start.place, b);
        }
        start = new Step(start.place, null, start.b, 0, start.open, start.inString);
        open.add(start);
        while (true) {
            Step step = open.remove(); // none left: the text cannot be finished
            if (step.place.accepting()) {
                var bytes = new StringBuilder();
                for (Step at = step; at.before != null; at = at.before) {
                    bytes.append((char) at.b);
                }
                return bytes.reverse().toString().getBytes(StandardCharsets.ISO_8859_1);
            }
            BitSet allowed = matcher.allowed(step.place);
            for (int b = allowed.nextSetBit(0); b >= 0 && b < 256; b = allowed.nextSetBit(b + 1)) {
                Matcher.Place next = matcher.after(step.place, b);
                if (next != null && seen.add(next.state())) {
                    open.add(step.then(next, b));
                }
            }
        }
    }

    /** Any of those allowed; what closes comes more often than by chance. */
    private static int pick(BitSet allowed, Random random) {
        if (random.nextInt(6) == 0) {
            for (char c : "}]\"".toCharArray()) {
                if (allowed.get(c)) {
                    return c;
                }
            }
        }
        int skip = random.nextInt(allowed.cardinality());
        int id = allowed.nextSetBit(0);
        for (; skip > 0; skip--) {
            id = allowed.nextSetBit(id + 1);
        }
        return id;
    }

    /** Whether the whole text is allowed. */
    static boolean takes(Constraint constraint, String text) {
        Matcher matcher = matcher(constraint);
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            if (!matcher.allowed().get(b & 0xff)) {
                return false;
            }
            matcher.accept(b & 0xff);
        }
        return matcher.allowed().get(END);
    }

    private static String utf8(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new AssertionError("not UTF-8: " + HexFormat.of().formatHex(bytes), e);
        }
    }
}
