package dev.gatun.bench;

import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/** A fresh process that computes one {@link MiniLmStack}, says so, and goes on for a while. */
final class ColdMain {
    /** What the process prints as soon as it has its first result. */
    static final String FIRST = "first";

    /** More calls than the busiest machine makes in the time. */
    private static final int MAX_CALLS = 1 << 20;

    private ColdMain() {}

    /**
     * Prints {@link #FIRST} after the first call. Then calls on for a while, and prints the milliseconds from the first result to
     * the first of the calls that run at full speed, and the milliseconds of one of those.
     *
     * @param args the backend, threads, file of weights, milliseconds to go on for
     */
    public static void main(String[] args) throws IOException {
        Backend.Kind kind = EngineKind.backend(args[0]);
        long goOn = Long.parseLong(args[3]) * 1_000_000;
        try (Backend backend = Backend.open(new Backend.Options(kind, Integer.parseInt(args[1]), null));
                Weights weights = Weights.open(Path.of(args[2]));
                Arena arena = Arena.ofShared()) {
            MiniLmStack stack = new MiniLmStack(weights, backend, arena);
            float result = stack.run();
            System.out.println(FIRST + " " + result);
            System.out.flush();
            long[] ends = new long[goOn == 0 ? 1 : MAX_CALLS];
            long start = System.nanoTime();
            ends[0] = start;
            int calls = 1;
            while (calls < ends.length && ends[calls - 1] - start < goOn) {
                stack.run();
                ends[calls++] = System.nanoTime();
            }
            System.out.println(FullSpeed.of(ends, calls));
        }
    }
}
