package dev.gatun.ops.machine;

/** Comparisons of floats that signal nothing; with their number in the manual's table of VCMPPS. */
enum Comparison {
    /** False where one is NaN; the others are true there. */
    EQUAL(0),
    NOT_EQUAL(4),
    NOT_LESS(21),
    NOT_LESS_OR_EQUAL(22),
    NOT_GREATER(26);

    private final int predicate;

    Comparison(int predicate) {
        this.predicate = predicate;
    }

    int predicate() {
        return predicate;
    }
}
