package dev.gatun.cli.serve.engine;

/** Counts and times what an engine does; called by its threads, which wait for it. Times are in nanoseconds. */
public interface EngineObserver {
    /** Nobody. */
    EngineObserver NONE = new EngineObserver() {};

    /** A text's turn has come after it waited so long; of its prompt so many tokens had been computed for another text. */
    default void started(long waited, int promptTokens, int knownTokens) {}

    /** A text has its first token, so long after it was asked for. */
    default void firstToken(long nanos) {}

    /** A text has one more token, so long after the one before. */
    default void nextToken(long nanos) {}

    /** So many texts had a token each from one step. */
    default void step(int texts) {}

    /** A text has lost its pages to older ones, and will be computed again from its tokens. */
    default void preempted() {}
}
