package dev.gatun.ops.machine;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend;
import dev.gatun.ops.ComputeType;
import dev.gatun.ops.Ops;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;

/** Prints how near products in 8 bits come to the peak of dot products, on one thread: the table of docs/PERFORMANCE.md. */
final class Int8Speed {
    private static final int[][] SHAPES = {
        {384, 384}, {1536, 384}, {384, 1536}, {768, 768}, {3072, 768}, {1024, 1024}, {4096, 1024}
    };
    private static final int[] ROWS = {1, 8, 16, 32, 128, 256};
    private static final long TURNS = 20_000;

    private Int8Speed() {}

    /** The least nanoseconds of a call. */
    private static double best(Runnable call, double seconds) {
        long end = System.nanoTime() + (long) (seconds * 1e9);
        long best = Long.MAX_VALUE;
        do {
            long start = System.nanoTime();
            call.run();
            best = Math.min(best, System.nanoTime() - start);
        } while (System.nanoTime() - end < 0);
        return best;
    }

    private static Tensor random(Arena arena, int rows, int cols) {
        Tensor tensor = Tensor.allocate(arena, DType.F32, Shape.of(rows, cols));
        var random = new SplittableRandom(1);
        for (long i = 0; i < tensor.elements(); i++) {
            tensor.setFloatAt(i, (float) random.nextDouble(-1, 1));
        }
        return tensor;
    }

    /** Takes no arguments. */
    public static void main(String[] arguments) {
        var options = new Backend.Options(Backend.Kind.MACHINE, 1, null).with(ComputeType.INT8);
        try (DotPeak peak = DotPeak.open(MachineHost.open());
                Backend backend = Backend.open(options);
                Arena arena = Arena.ofShared()) {
            MemorySegment parameters = peak.parameters();
            Ops ops = backend.newOps(arena);
            for (int[] shape : SHAPES) {
                PackedWeight weight = backend.pack(random(arena, shape[0], shape[1]), arena);
                var line = new StringBuilder("| " + shape[0] + " x " + shape[1] + " |");
                for (int rows : ROWS) {
                    Tensor x = random(arena, rows, shape[1]);
                    Tensor out = random(arena, rows, shape[0]);
                    best(() -> ops.linear(x, weight, null, out), 0.1); // until it is compiled
                    double nanos = best(() -> ops.linear(x, weight, null, out), 0.3);
                    double most = DotPeak.TURN * TURNS / best(() -> peak.run(parameters, TURNS), 0.05);
                    double speed = 2.0 * rows * shape[0] * shape[1] / nanos;
                    line.append(' ').append(Math.round(100 * speed / most)).append(" |");
                }
                System.out.println(line);
            }
        }
    }
}
