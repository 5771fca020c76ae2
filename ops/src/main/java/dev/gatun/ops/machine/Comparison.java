package dev.gatun.ops.machine;

/** Comparisons of floats that also hold where one is NaN, and signal nothing; with their number in the manual's table of VCMPPS. */
enum Comparison {
    NOT_EQUAL(4),
    NOT_LESS(21);

    private final int predicate;

    Comparison(int predicate) {
        this.predicate = predicate;
    }

    int predicate() {
        return predicate;
    }
}
