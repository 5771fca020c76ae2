package dev.gatun.bench;

import org.jspecify.annotations.Nullable;

/** Something that computes: a backend of Gatun, a peer, or the machine itself. */
interface Library extends AutoCloseable {
    /** An operation with its operands in memory. */
    interface Workload extends AutoCloseable {
        /** Computes once. The result is written to memory that outlives the call, so no compiler can leave it out. */
        void run();

        @Override
        void close();
    }

    /** What it says of itself: product, version, who computes. */
    String description();

    /** Prepares an operation; null if the library has no such thing. */
    @Nullable
    Workload open(Op op);

    @Override
    void close();
}
