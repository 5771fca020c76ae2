package dev.gatun.model.constrain;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.util.automaton.Automata;
import org.apache.lucene.util.automaton.Automaton;
import org.apache.lucene.util.automaton.Operations;
import org.jspecify.annotations.Nullable;

/**
 * The JSON numbers in a range, as automata over their digits. A number is written in one way only as far as it matters: no leading
 * zeros, no minus before zero, an exponent only where there is no range; and with at most so many digits, lest a model goes on
 * writing them for ever.
 */
final class Numbers {
    /** Digits before the point (more where a bound has more) and behind it: a double has no more. */
    private static final int DIGITS = 16;

    /** A bound of more digits would make an automaton of their square. */
    private static final int MAX_BOUND_DIGITS = 40;

    private static final String WHAT = "the range of a number";

    private Numbers() {}

    /**
     * Numbers.
     *
     * @param low the least, or null; itself included unless {@code above}
     * @param high the greatest, or null; itself included unless {@code below}
     * @param where names it in errors
     */
    static Automaton between(
            boolean integer,
            @Nullable BigDecimal low,
            boolean above,
            @Nullable BigDecimal high,
            boolean below,
            String where) {
        if (low == null && high == null) {
            return integer ? signed(magnitudes(true, DIGITS)) : withExponent();
        }
        BigDecimal least = low;
        BigDecimal most = high;
        boolean open = above;
        boolean end = below;
        if (integer && low != null) {
            least = low.setScale(0, RoundingMode.CEILING);
            least = above && least.compareTo(low) == 0 ? least.add(BigDecimal.ONE) : least;
            open = false;
        }
        if (integer && high != null) {
            most = high.setScale(0, RoundingMode.FLOOR);
            most = below && most.compareTo(high) == 0 ? most.subtract(BigDecimal.ONE) : most;
            end = false;
        }
        int digits = Math.max(DIGITS, Math.max(digits(least, where), digits(most, where)));
        Automaton all = magnitudes(integer, digits);
        // From 0 on.
        Automaton positive = most != null && most.signum() < 0 ? Automata.makeEmpty() : all;
        if (most != null && most.signum() >= 0) {
            positive = upTo(most, !end, integer, digits);
        }
        if (least != null && (least.signum() > 0 || least.signum() == 0 && open)) {
            positive = CodePoints.minus(positive, upTo(least, open, integer, digits), WHAT);
        }
        // Below 0, by magnitude.
        Automaton zero = upTo(BigDecimal.ZERO, true, integer, digits);
        Automaton negative = least != null && least.signum() >= 0
                ? Automata.makeEmpty()
                : least != null ? upTo(least.negate(), !open, integer, digits) : all;
        negative = CodePoints.minus(negative, zero, WHAT);
        if (most != null && most.signum() < 0) {
            negative = CodePoints.minus(negative, upTo(most.negate(), end, integer, digits), WHAT);
        }
        return CodePoints.union(List.of(positive, sequence(Automata.makeChar('-'), negative)));
    }

    /** Digits before the point. */
    private static int digits(@Nullable BigDecimal bound, String where) {
        if (bound == null) {
            return 0;
        }
        if (bound.precision() > MAX_BOUND_DIGITS || Math.abs(bound.scale()) > MAX_BOUND_DIGITS) {
            throw new ConstraintException(
                    where + ": the bound " + bound + " has more than " + MAX_BOUND_DIGITS + " digits");
        }
        return Math.max(1, bound.precision() - bound.scale());
    }

    private static Automaton digit(int from, int to) {
        return from > to ? Automata.makeEmpty() : Automata.makeCharRange('0' + from, '0' + to);
    }

    private static Automaton anyDigits(int min, int max) {
        return Operations.repeat(digit(0, 9), min, max);
    }

    private static Automaton sequence(Automaton... parts) {
        return Operations.concatenate(List.of(parts));
    }

    private static Automaton whole(int digits) {
        return CodePoints.union(List.of(Automata.makeChar('0'), sequence(digit(1, 9), anyDigits(0, digits - 1))));
    }

    private static Automaton fraction() {
        return Operations.optional(sequence(Automata.makeChar('.'), anyDigits(1, DIGITS)));
    }

    /** Numbers from 0 on without an exponent. */
    private static Automaton magnitudes(boolean integer, int digits) {
        return integer ? whole(digits) : sequence(whole(digits), fraction());
    }

    /** Numbers of some magnitudes, with and without a minus; -0 is left out. */
    private static Automaton signed(Automaton magnitudes) {
        Automaton zero = sequence(
                Automata.makeChar('0'),
                Operations.optional(sequence(Automata.makeChar('.'), Operations.repeat(Automata.makeChar('0'), 1))));
        return CodePoints.union(
                List.of(magnitudes, sequence(Automata.makeChar('-'), CodePoints.minus(magnitudes, zero, WHAT))));
    }

    private static Automaton withExponent() {
        Automaton sign = Operations.optional(Automata.makeCharSet(new int[] {'+', '-'}));
        Automaton exponent = sequence(Automata.makeCharSet(new int[] {'E', 'e'}), sign, anyDigits(1, 2));
        return sequence(signed(magnitudes(false, DIGITS)), Operations.optional(exponent));
    }

    /** Magnitudes up to a bound that is not negative, itself included or not. */
    private static Automaton upTo(BigDecimal bound, boolean included, boolean integer, int digits) {
        String plain = bound.stripTrailingZeros().toPlainString();
        int point = plain.indexOf('.');
        String whole = point < 0 ? plain : plain.substring(0, point);
        String fraction = point < 0 ? "" : plain.substring(point + 1);
        Automaton rest = integer ? Automata.makeEmptyString() : fraction();
        List<Automaton> all = new ArrayList<>();
        int n = whole.length();
        if (n > 1) {
            all.add(sequence(whole(n - 1), rest));
        }
        for (int i = 0; i < n; i++) { // less at digit i
            int from = i == 0 && n > 1 ? 1 : 0;
            all.add(sequence(
                    Automata.makeString(whole.substring(0, i)),
                    digit(from, whole.charAt(i) - '1'),
                    anyDigits(n - i - 1, n - i - 1),
                    rest));
        }
        Automaton same = Automata.makeString(whole);
        if (!fraction.isEmpty() || included) {
            all.add(same);
        }
        if (!integer) {
            all.add(sequence(same, Automata.makeChar('.'), fractionsUpTo(fraction, included)));
        }
        Automaton written = sequence(magnitudes(integer, digits));
        return CodePoints.intersection(CodePoints.union(all), written, WHAT);
    }

    /** Digits behind the point that are at most these, which do not end in 0. */
    private static Automaton fractionsUpTo(String fraction, boolean included) {
        List<Automaton> all = new ArrayList<>();
        int n = fraction.length();
        for (int i = 0; i < n; i++) {
            Automaton prefix = Automata.makeString(fraction.substring(0, i));
            all.add(sequence(prefix, digit(0, fraction.charAt(i) - '1'), Operations.repeat(digit(0, 9))));
            if (i > 0) {
                all.add(prefix); // less by what it leaves out
            }
        }
        if (included) {
            all.add(sequence(Automata.makeString(fraction), Operations.repeat(Automata.makeChar('0'))));
        }
        return CodePoints.union(all);
    }
}
