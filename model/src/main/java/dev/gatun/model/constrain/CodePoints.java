package dev.gatun.model.constrain;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.apache.lucene.util.automaton.Automata;
import org.apache.lucene.util.automaton.Automaton;
import org.apache.lucene.util.automaton.Operations;
import org.apache.lucene.util.automaton.TooComplexToDeterminizeException;
import org.apache.lucene.util.automaton.Transition;
import org.apache.lucene.util.automaton.UTF32ToUTF8;

/** Regular languages over Unicode characters, within limits that keep any of them small. */
final class CodePoints {
    /** States of an automaton. */
    static final int MAX_STATES = 50_000;

    /** Transitions of an automaton: each range of characters becomes up to ten of bytes. */
    private static final int MAX_TRANSITIONS = 300_000;

    /** What determinising may take, in Lucene's measure: well under a second. */
    private static final int MAX_WORK = 200_000;

    /** The same for bytes, of which a character has up to four. */
    private static final int BYTES = 4;

    /** Chars that a JSON string has to escape and can in two chars, and the second of these. */
    private static final int[] ESCAPED = {'"', '\\', '\b', '\t', '\n', '\f', '\r'};

    private static final int[] ESCAPES = {'"', '\\', 'b', 't', 'n', 'f', 'r'};

    private CodePoints() {}

    /** One character of text: surrogates are none. */
    static Automaton any() {
        return Automata.makeCharClass(new int[] {0, 0xe000}, new int[] {0xd7ff, Character.MAX_CODE_POINT});
    }

    /** One of some characters. */
    static Automaton oneOf(BitSet characters) {
        int n = 0;
        int[] from = new int[16];
        int[] to = new int[16];
        for (int at = characters.nextSetBit(0); at >= 0; at = characters.nextSetBit(to[n - 1] + 1)) {
            if (n == from.length) {
                from = Arrays.copyOf(from, 2 * n);
                to = Arrays.copyOf(to, 2 * n);
            }
            from[n] = at;
            to[n++] = characters.nextClearBit(at) - 1;
        }
        return n == 0 ? Automata.makeEmpty() : Automata.makeCharClass(Arrays.copyOf(from, n), Arrays.copyOf(to, n));
    }

    /** The same language, checked against the limits; {@code what} is what errors call it. */
    static Automaton checked(Automaton a, String what) {
        if (a.getNumStates() > MAX_STATES || a.getNumTransitions() > MAX_TRANSITIONS) {
            throw tooLarge(what, a.getNumStates(), a.getNumTransitions());
        }
        return a;
    }

    private static ConstraintException tooLarge(String what, int states, int transitions) {
        return new ConstraintException(what + " is too large: its automaton has " + states + " states and "
                + transitions + " transitions, at most " + MAX_STATES + " and " + MAX_TRANSITIONS + " are allowed");
    }

    /** Texts of {@code min} to {@code max} times {@code a}. */
    static Automaton repeat(Automaton a, int min, int max, String what) {
        // A chain of what may be empty would have a transition from each state to each later one.
        boolean empty = acceptsEmpty(a);
        Automaton body = empty ? withoutEmpty(a) : a;
        int least = empty ? 0 : min;
        long copies = max == Grammar.UNLIMITED ? least + 1L : max;
        if (copies * body.getNumStates() > MAX_STATES || copies * body.getNumTransitions() > MAX_TRANSITIONS) {
            throw tooLarge(what, (int) Math.min(Integer.MAX_VALUE, copies * body.getNumStates()), (int)
                    Math.min(Integer.MAX_VALUE, copies * body.getNumTransitions()));
        }
        if (max == Grammar.UNLIMITED) {
            return least == 0 ? Operations.repeat(body) : Operations.repeat(body, least);
        }
        return Operations.repeat(body, least, max);
    }

    private static boolean acceptsEmpty(Automaton a) {
        return a.getNumStates() > 0 && a.isAccept(0);
    }

    private static Automaton withoutEmpty(Automaton a) {
        var builder = new Automaton.Builder();
        int first = builder.createState();
        builder.copy(a); // its states follow
        builder.addEpsilon(first, 1);
        builder.setAccept(first, false);
        return builder.finish();
    }

    /** Texts of both. */
    static Automaton intersection(Automaton a, Automaton b, String what) {
        return checked(determinized(Operations.intersection(a, b), what), what);
    }

    /** Texts of {@code a} that are not of {@code b}. */
    static Automaton minus(Automaton a, Automaton b, String what) {
        try {
            return checked(Operations.minus(a, b, MAX_WORK), what);
        } catch (TooComplexToDeterminizeException e) {
            throw tooComplex(what);
        }
    }

    /** Whether a text is one of {@code a}'s. */
    static boolean contains(Automaton a, String text, String what) {
        return Operations.run(determinized(a, what), text);
    }

    /** Any of some texts. */
    static Automaton union(List<Automaton> automata) {
        return Operations.union(automata);
    }

    private static Automaton determinized(Automaton a, String what) {
        try {
            return Operations.removeDeadStates(Operations.determinize(checked(a, what), MAX_WORK));
        } catch (TooComplexToDeterminizeException e) {
            throw tooComplex(what);
        }
    }

    private static ConstraintException tooComplex(String what) {
        return new ConstraintException(what + " is too complex: it takes too many states to follow");
    }

    /** The same texts in bytes; deterministic, so that a text has one reading. */
    static Automaton utf8(Automaton a, String what) {
        Automaton characters = checked(determinized(a, what), what);
        if (Operations.isEmpty(characters)) {
            return Automata.makeEmpty();
        }
        try {
            // The conversion is made to read what is UTF-8 already, and lets bytes pass that are a character spelled
            // too long.
            Automaton bytes = Operations.intersection(new UTF32ToUTF8().convert(characters), validUtf8());
            return Operations.removeDeadStates(Operations.determinize(bytes, BYTES * MAX_WORK));
        } catch (TooComplexToDeterminizeException e) {
            throw tooComplex(what);
        }
    }

    /** All of UTF-8, as table 3-7 of the Unicode standard has it. */
    private static Automaton validUtf8() {
        Automaton more = Automata.makeCharRange(0x80, 0xbf);
        return Operations.repeat(union(List.of(
                Automata.makeCharRange(0, 0x7f),
                sequence(0xc2, 0xdf, 0x80, 0xbf),
                sequence(0xe0, 0xe0, 0xa0, 0xbf, more),
                sequence(0xe1, 0xec, 0x80, 0xbf, more),
                sequence(0xed, 0xed, 0x80, 0x9f, more),
                sequence(0xee, 0xef, 0x80, 0xbf, more),
                sequence(0xf0, 0xf0, 0x90, 0xbf, more, more),
                sequence(0xf1, 0xf3, 0x80, 0xbf, more, more),
                sequence(0xf4, 0xf4, 0x80, 0x8f, more, more))));
    }

    private static Automaton sequence(int low, int high, int low2, int high2, Automaton... more) {
        List<Automaton> all =
                new ArrayList<>(List.of(Automata.makeCharRange(low, high), Automata.makeCharRange(low2, high2)));
        all.addAll(List.of(more));
        return Operations.concatenate(all);
    }

    /**
     * The same texts as they stand between the quotes of a JSON string, each in one way: escaped only where it has to be. Texts with
     * control characters that have no short escape are left out.
     */
    static Automaton jsonEscaped(Automaton a, String what) {
        Automaton plain = determinized(a, what);
        var builder = new Automaton.Builder();
        builder.copyStates(plain);
        var t = new Transition();
        for (int s = 0; s < plain.getNumStates(); s++) {
            int n = plain.initTransition(s, t);
            for (int i = 0; i < n; i++) {
                plain.getNextTransition(t);
                raw(builder, s, t, ' ', '"' - 1);
                raw(builder, s, t, '"' + 1, '\\' - 1);
                raw(builder, s, t, '\\' + 1, Character.MAX_CODE_POINT);
                int escape = -1;
                for (int e = 0; e < ESCAPED.length; e++) {
                    if (t.min <= ESCAPED[e] && ESCAPED[e] <= t.max) {
                        if (escape < 0) {
                            escape = builder.createState();
                            builder.addTransition(s, escape, '\\');
                        }
                        builder.addTransition(escape, t.dest, ESCAPES[e]);
                    }
                }
            }
        }
        return checked(builder.finish(), what);
    }

    private static void raw(Automaton.Builder builder, int from, Transition t, int low, int high) {
        if (t.min <= high && low <= t.max) {
            builder.addTransition(from, t.dest, Math.max(low, t.min), Math.min(high, t.max));
        }
    }
}
