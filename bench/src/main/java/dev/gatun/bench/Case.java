package dev.gatun.bench;

/**
 * An operation that has a name.
 *
 * @param group where it is listed
 * @param family of the model and the layer, or of the function: cases that are drawn side by side
 * @param variant what varies within it
 */
record Case(Group group, String family, String variant, Op op) {
    /** Its own: no two cases of the catalogue have the same. Without a comma, at which JMH would split it. */
    String name() {
        return family + " " + variant;
    }

    /** The unit of {@link #value}. */
    String unit() {
        return switch (op.limit()) {
            case null -> "ns";
            case Limit limit -> limit.unit();
        };
    }

    /** What an engine reaches that takes so long for a call. */
    double value(double nanosPerCall) {
        return op.limit() == null ? nanosPerCall : op.work() / nanosPerCall;
    }

    /** Whether less is better. */
    boolean isTime() {
        return op.limit() == null;
    }
}
