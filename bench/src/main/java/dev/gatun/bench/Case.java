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
        return switch (op) {
            case Op.Decoder _, Op.Translate _ -> "tokens/s";
            case Op.FirstToken _ -> "ms";
            default -> {
                Limit limit = op.limit();
                yield limit == null ? "ns" : limit.unit();
            }
        };
    }

    /** What an engine reaches that takes so long for a call. */
    double value(double nanosPerCall) {
        return switch (op) {
            case Op.Decoder decoder -> decoder.tokens() * 1e9 / nanosPerCall;
            case Op.Translate translate -> (double) translate.batch() * translate.target() * 1e9 / nanosPerCall;
            case Op.FirstToken _ -> nanosPerCall / 1e6;
            default -> op.limit() == null ? nanosPerCall : op.work() / nanosPerCall;
        };
    }

    /** What an engine would reach that is as fast as the limit allows, in {@link #unit}. */
    double atLimit(double rate) {
        return value(op.work() / rate);
    }

    /** Whether less is better. */
    boolean isTime() {
        return op.limit() == null && !(op instanceof Op.Translate);
    }
}
