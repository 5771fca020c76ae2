package dev.gatun.bench;

/** What a machine cannot do more of. */
enum Limit {
    /** Fused multiply-adds of floats, in registers. */
    FMA("FMA peak", "GFLOP/s"),
    /** Reading memory beyond the last-level cache. */
    READ("read bandwidth", "GB/s"),
    /** Reading one buffer and writing another, both beyond the last-level cache; bytes read plus bytes written. */
    READ_WRITE("read-plus-write bandwidth", "GB/s"),
    /** Reading what lies in the second-level cache. */
    CACHE("L2 read bandwidth", "GB/s");

    private final String title;
    private final String unit;

    Limit(String title, String unit) {
        this.title = title;
        this.unit = unit;
    }

    /** In the middle of a sentence. */
    String title() {
        return title;
    }

    /** Of its value: 10<sup>9</sup> a second. */
    String unit() {
        return unit;
    }
}
