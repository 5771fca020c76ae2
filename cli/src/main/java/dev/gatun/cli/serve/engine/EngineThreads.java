package dev.gatun.cli.serve.engine;

/** The thread that an engine has. */
final class EngineThreads {
    private EngineThreads() {}

    /** Waits for its end, whoever interrupts: memory that it uses is freed afterwards. The interrupt is kept for the caller. */
    static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
