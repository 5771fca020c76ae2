package dev.gatun.bench;

/** Times the operations of a library, one at a time. */
interface Engine extends AutoCloseable {
    /** What the library says of itself. */
    String description();

    /**
     * Prepares an operation and warms it up.
     *
     * @param warmUpNanos for which it runs at least; longer while the JVM still compiles
     * @return nanoseconds that a call takes by then; NaN if the library has no such operation
     */
    double open(Op op, long warmUpNanos);

    /**
     * Runs the open operation for about so long, and once at least.
     *
     * @return nanoseconds a call
     */
    double sample(long nanos);

    /**
     * Times single calls of the open operation, for about so long, and one at least.
     *
     * @return nanoseconds of each
     */
    double[] calls(long nanos);

    /** Ends the open operation and frees its memory. */
    void closeOp();

    /** Bytes of the most memory that its process has had so far; NaN where nobody says. */
    double peakBytes();

    @Override
    void close();
}
