package dev.gatun.model.constrain;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import org.apache.lucene.util.automaton.Automata;
import org.apache.lucene.util.automaton.Automaton;
import org.apache.lucene.util.automaton.Operations;
import org.apache.lucene.util.automaton.Transition;
import org.jspecify.annotations.Nullable;

/**
 * Regular expressions in the syntax that Java and ECMAScript share: literals, {@code .}, classes, {@code \d \w \s} and their
 * opposites, {@code \p{L}} and the other general categories, groups, alternatives, the quantifiers {@code * + ? {n} {n,} {n,m}}
 * (also lazy: that changes no language), {@code ^} and {@code $}, {@code (?i)} at the start, and escapes of single characters. Where
 * the two differ in what a class has, {@code \s} say, it has what both have. Everything else is an error that names it. Lucene's own
 * RegExp has another syntax, with operators that are letters elsewhere and without anchors.
 */
final class Regex {
    /** Longest pattern, in chars. */
    static final int MAX_CHARS = 10_000;

    private static final int MAX_NESTING = 100;
    private static final int MAX_REPEAT = 10_000;

    // What ^ and $ read: code points that no text has.
    private static final int BEGIN = 0xd800;
    private static final int END = 0xd801;

    private final String pattern;
    private final String what;
    private int at;
    private int depth;
    private boolean anchored;
    private boolean ignoreCase;

    private Regex(String pattern) {
        this.pattern = pattern;
        this.what = named(pattern);
    }

    /** Texts that match from the first character to the last. */
    static Automaton fullMatch(String pattern) {
        var regex = new Regex(pattern);
        Automaton all = regex.parse();
        return regex.anchored ? regex.withoutAnchors(all) : all;
    }

    /** Texts in which there is a match. */
    static Automaton search(String pattern) {
        var regex = new Regex(pattern);
        Automaton match = regex.parse();
        Automaton any = CodePoints.any();
        Automaton around = Operations.repeat(
                regex.anchored ? Operations.union(List.of(any, Automata.makeCharRange(BEGIN, END))) : any);
        Automaton all = CodePoints.checked(Operations.concatenate(List.of(around, match, around)), regex.what);
        return regex.anchored ? regex.withoutAnchors(all) : all;
    }

    /** What errors call it: short. */
    static String named(String pattern) {
        return "the regular expression \"" + (pattern.length() > 60 ? pattern.substring(0, 57) + "..." : pattern)
                + "\"";
    }

    /** Lets ^ be at the start only and $ at the end, then takes them out. */
    private Automaton withoutAnchors(Automaton a) {
        Automaton begin = Operations.repeat(Automata.makeChar(BEGIN));
        Automaton end = Operations.repeat(Automata.makeChar(END));
        Automaton placed = Operations.union(List.of(
                Operations.concatenate(List.of(begin, Operations.repeat(CodePoints.any()), end)),
                Operations.repeat(Automata.makeCharRange(BEGIN, END))));
        Automaton marked = CodePoints.intersection(a, placed, what);
        var builder = new Automaton.Builder();
        int states = Math.max(1, marked.getNumStates());
        for (int s = 0; s < states; s++) {
            builder.createState();
        }
        var t = new Transition();
        for (int s = 0; s < marked.getNumStates(); s++) {
            BitSet same = new BitSet(); // states that anchors alone lead to
            Deque<Integer> open = new ArrayDeque<>(List.of(s));
            same.set(s);
            while (!open.isEmpty()) {
                int from = open.pop();
                if (marked.isAccept(from)) {
                    builder.setAccept(s, true);
                }
                int n = marked.initTransition(from, t);
                for (int i = 0; i < n; i++) {
                    marked.getNextTransition(t);
                    if (t.min != BEGIN && t.min != END) {
                        builder.addTransition(s, t.dest, t.min, t.max);
                    } else if (!same.get(t.dest)) {
                        same.set(t.dest);
                        open.push(t.dest);
                    }
                }
            }
        }
        return CodePoints.checked(builder.finish(), what);
    }

    private ConstraintException bad(String problem, int where) {
        return new ConstraintException(what + ": " + problem + ", at char " + where);
    }

    private Automaton parse() {
        if (pattern.length() > MAX_CHARS) {
            throw new ConstraintException(
                    what + " has " + pattern.length() + " chars, at most " + MAX_CHARS + " are allowed");
        }
        for (int i = 0; i < pattern.length(); i += Character.charCount(pattern.codePointAt(i))) {
            if (Character.getType(pattern.codePointAt(i)) == Character.SURROGATE) {
                throw bad("a lone surrogate, half a character", i);
            }
        }
        if (pattern.startsWith("(?i)")) {
            ignoreCase = true;
            at = 4;
        }
        Automaton all = alternatives();
        if (at < pattern.length()) {
            throw bad("a ) without its (", at);
        }
        return all;
    }

    private boolean more() {
        return at < pattern.length();
    }

    private int peek() {
        return more() ? pattern.codePointAt(at) : -1;
    }

    private int next() {
        if (!more()) {
            throw bad("it ends too early", at);
        }
        int c = pattern.codePointAt(at);
        at += Character.charCount(c);
        return c;
    }

    private boolean take(String text) {
        boolean there = pattern.startsWith(text, at);
        at += there ? text.length() : 0;
        return there;
    }

    private Automaton alternatives() {
        List<Automaton> all = new ArrayList<>(List.of(sequence()));
        while (take("|")) {
            all.add(sequence());
        }
        return all.size() == 1 ? all.getFirst() : CodePoints.checked(Operations.union(all), what);
    }

    private Automaton sequence() {
        List<Automaton> parts = new ArrayList<>();
        int states = 0;
        while (more() && peek() != '|' && peek() != ')') {
            Automaton part = quantified(atom());
            parts.add(part);
            states += part.getNumStates();
            if (states > CodePoints.MAX_STATES) {
                throw bad("it takes more than " + CodePoints.MAX_STATES + " states", at);
            }
        }
        return parts.isEmpty() ? Automata.makeEmptyString() : CodePoints.checked(Operations.concatenate(parts), what);
    }

    private Automaton quantified(Automaton atom) {
        int where = at;
        int min;
        int max;
        switch (peek()) {
            case '*' -> {
                min = 0;
                max = Grammar.UNLIMITED;
                at++;
            }
            case '+' -> {
                min = 1;
                max = Grammar.UNLIMITED;
                at++;
            }
            case '?' -> {
                min = 0;
                max = 1;
                at++;
            }
            case '{' -> {
                at++;
                min = count(where);
                max = take(",") ? peek() == '}' ? Grammar.UNLIMITED : count(where) : min;
                if (!take("}") || max < min) {
                    throw bad("a { that is no {n}, {n,} or {n,m}; as itself it is \\{", where);
                }
            }
            default -> {
                return atom;
            }
        }
        if (take("+")) {
            throw bad("possessive quantifiers are not supported", at - 1);
        }
        take("?"); // lazy: the same texts match
        if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') {
            throw bad("a quantifier after a quantifier", at);
        }
        return CodePoints.repeat(atom, min, max, what);
    }

    private int count(int where) {
        int n = 0;
        int first = at;
        while (more() && peek() >= '0' && peek() <= '9') {
            n = 10 * n + next() - '0';
            if (n > MAX_REPEAT) {
                throw bad("a repetition of more than " + MAX_REPEAT, where);
            }
        }
        if (at == first) {
            throw bad("a { without its number; as itself it is \\{", where);
        }
        return n;
    }

    private Automaton atom() {
        int where = at;
        int c = next();
        return switch (c) {
            case '(' -> group(where);
            case '[' -> CodePoints.oneOf(characterClass(where));
            case '.' -> {
                BitSet set = CharacterSets.inverse(new BitSet());
                for (int line : new int[] {'\n', '\r', 0x85, 0x2028, 0x2029}) {
                    set.clear(line);
                }
                yield CodePoints.oneOf(set);
            }
            case '^' -> {
                anchored = true;
                yield Automata.makeChar(BEGIN);
            }
            case '$' -> {
                anchored = true;
                yield Automata.makeChar(END);
            }
            case '*', '+', '?', '{' -> throw bad("a quantifier without what it repeats", where);
            case '\\' -> {
                BitSet set = shorthand(false);
                yield set == null ? literal(escape()) : CodePoints.oneOf(set);
            }
            default -> literal(c);
        };
    }

    private Automaton literal(int c) {
        if (!ignoreCase) {
            return Automata.makeChar(c);
        }
        BitSet set = new BitSet();
        set.set(c);
        return CodePoints.oneOf(caseless(set));
    }

    private BitSet caseless(BitSet set) {
        if (!ignoreCase) {
            return set;
        }
        BitSet all = (BitSet) set.clone();
        for (int c = 'A'; c <= 'Z'; c++) { // of ASCII alone, as in Java
            boolean either = set.get(c) || set.get(c + 32);
            all.set(c, either);
            all.set(c + 32, either);
        }
        return all;
    }

    private Automaton group(int where) {
        if (++depth > MAX_NESTING) {
            throw bad("groups nested more than " + MAX_NESTING + " deep", where);
        }
        if (take("?<") && peek() != '=' && peek() != '!') {
            int name = at;
            while (peek() != '>' && Character.isLetterOrDigit(peek())) {
                next();
            }
            if (at == name || !take(">")) {
                throw bad("a group with a bad name", where);
            }
        } else if (pattern.startsWith("(?", where) && !take("?:")) {
            throw bad("(? of this kind (look-around, flags) is not supported", where);
        }
        Automaton inner = alternatives();
        if (!take(")")) {
            throw bad("a ( without its )", where);
        }
        depth--;
        return inner;
    }

    private BitSet characterClass(int where) {
        boolean negated = take("^");
        BitSet set = new BitSet();
        if (peek() == ']') {
            throw bad("an empty class; ] as itself is \\]", where);
        }
        while (!take("]")) {
            int from = classCharacter(set, negated);
            if (from >= 0 && peek() == '-' && !pattern.startsWith("-]", at)) {
                next();
                int to = classCharacter(set, negated);
                if (to < from) {
                    throw bad("a range that ends before it starts", at);
                }
                set.set(from, to + 1);
            } else if (from >= 0) {
                set.set(from);
            }
        }
        BitSet all = caseless(set);
        return negated ? CharacterSets.inverse(all) : all;
    }

    /** A character; -1 for a shorthand, which joins the set. */
    private int classCharacter(BitSet set, boolean negated) {
        int where = at;
        int c = next();
        if (c == '[' || c == '&' && peek() == '&') {
            throw bad(
                    "a " + Character.toString(c) + " that Java and ECMAScript read differently; as itself it is \\"
                            + Character.toString(c),
                    where);
        }
        if (c != '\\') {
            return c;
        }
        BitSet shorthand = shorthand(negated);
        if (shorthand == null) {
            return escape();
        }
        set.or(shorthand);
        return -1;
    }

    /** What \\d and its like stand for, after the backslash: null if none is there. {@code wide}: all that anyone takes them for. */
    private @Nullable BitSet shorthand(boolean wide) {
        int where = at;
        return switch (peek()) {
            case 'd', 'D', 'w', 'W', 's', 'S' -> {
                int c = next();
                boolean inverse = Character.isUpperCase(c);
                BitSet set = switch (Character.toLowerCase(c)) {
                    case 'd' -> CharacterSets.ranges("09");
                    case 'w' -> CharacterSets.ranges("09AZ__az");
                    default -> CharacterSets.ranges(wide != inverse ? CharacterSets.WIDE_SPACES : "\t\r  ");
                };
                yield inverse ? CharacterSets.inverse(set) : set;
            }
            case 'p', 'P' -> {
                boolean inverse = next() == 'P';
                int end = pattern.indexOf('}', at);
                if (!take("{") || end < 0) {
                    throw bad("a \\p without its {category}", where);
                }
                String name = pattern.substring(at, end);
                at = end + 1;
                BitSet set = category(name, where);
                yield inverse ? CharacterSets.inverse(set) : set;
            }
            default -> null;
        };
    }

    private BitSet category(String name, int where) {
        BitSet set = CharacterSets.category(name);
        if (set.isEmpty() || ignoreCase) {
            throw bad(
                    "\\p{" + name + "}" + (ignoreCase ? " with (?i)" : ", which is no general category,")
                            + " is not supported",
                    where);
        }
        return set;
    }

    /** The character that an escape stands for, after its backslash. */
    private int escape() {
        int where = at - 1;
        int c = next();
        return switch (c) {
            case 't' -> '\t';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 'f' -> '\f';
            case 'v' -> throw bad("\\v, which Java and ECMAScript read differently", where);
            case 'x' -> peek() == '{' ? braced(where) : hex(2, where);
            case 'u' -> peek() == '{' ? braced(where) : unicode(where);
            default -> {
                if (Character.isLetterOrDigit(c)) {
                    throw bad("\\" + Character.toString(c) + " is not supported", where);
                }
                yield c;
            }
        };
    }

    private int unicode(int where) {
        int c = hex(4, where);
        if (Character.isSurrogate((char) c)) {
            int low = Character.isHighSurrogate((char) c) && take("\\u") ? hex(4, where) : 0;
            if (!Character.isLowSurrogate((char) low)) {
                throw bad("a lone surrogate, half a character", where);
            }
            return Character.toCodePoint((char) c, (char) low);
        }
        return c;
    }

    private int braced(int where) {
        next();
        int c = 0;
        int digits = 0;
        while (!take("}")) {
            int digit = Character.digit(next(), 16);
            c = 16 * c + digit;
            if (digit < 0 || ++digits > 6 || c > Character.MAX_CODE_POINT) {
                throw bad("an escape that is no character", where);
            }
        }
        if (digits == 0 || c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
            throw bad("an escape that is no character", where);
        }
        return c;
    }

    private int hex(int digits, int where) {
        int c = 0;
        for (int i = 0; i < digits; i++) {
            int digit = Character.digit(next(), 16);
            if (digit < 0) {
                throw bad("an escape that needs " + digits + " hexadecimal digits", where);
            }
            c = 16 * c + digit;
        }
        return c;
    }
}
