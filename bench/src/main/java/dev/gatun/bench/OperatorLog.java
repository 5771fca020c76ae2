package dev.gatun.bench;

import dev.gatun.cli.Failure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/** What the operators of a program told the Flight Recorder (docs/JFR.md), by operator, backend and about the same shape. */
final class OperatorLog {
    private static final String EVENTS = "dev.gatun.";

    /** Calls of a shape of which the speed is kept, any with the same chance. */
    private static final int SAMPLES = 4096;

    /** What a report lists. */
    private static final int MOST = 60;

    /**
     * An operator on shapes that are about the same: sizes up to the same power of two.
     *
     * @param name of the operator
     * @param backend that computed
     * @param onRows whether it reads and writes rows, and computes next to nothing
     */
    private record Key(String name, String shape, String backend, boolean onRows) {}

    /** All calls of a key. */
    private static final class Calls {
        private final SplittableRandom random = new SplittableRandom(1);
        private final List<double[]> samples = new ArrayList<>();
        private long count;
        private double nanos;
        private double flop;
        private double bytes;

        void add(double newNanos, double newFlop, double newBytes) {
            count++;
            nanos += newNanos;
            flop += newFlop;
            bytes += newBytes;
            double[] sample = {newNanos, newFlop, newBytes};
            if (samples.size() < SAMPLES) {
                samples.add(sample);
            } else {
                long at = random.nextLong(count);
                if (at < SAMPLES) {
                    samples.set((int) at, sample);
                }
            }
        }
    }

    private final Map<Key, Calls> operators = new LinkedHashMap<>();

    private OperatorLog() {}

    /**
     * Reads a recording.
     *
     * @throws Failure if it is none, is damaged, or has no operators
     */
    static OperatorLog read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new Failure("--jfr " + file + ": there is no such file");
        }
        var log = new OperatorLog();
        try (RecordingFile recording = new RecordingFile(file)) {
            while (recording.hasMoreEvents()) {
                RecordedEvent event = recording.readEvent();
                if (event.getEventType().getName().startsWith(EVENTS) && event.hasField("flop")) {
                    log.add(event);
                }
            }
        } catch (IOException | RuntimeException e) { // which of them a damaged file becomes is not said
            throw new Failure("--jfr " + file + ": cannot be read as a recording: " + e.getMessage(), e);
        }
        if (log.operators.isEmpty()) {
            throw new Failure("--jfr " + file + ": no operator was recorded; docs/JFR.md says how they are turned on");
        }
        return log;
    }

    private void add(RecordedEvent event) {
        double nanos = event.getDuration().toNanos();
        double flop = event.getLong("flop");
        double bytes = event.getLong("bytes");
        if (nanos <= 0 || flop < 0 || bytes <= 0) {
            return; // shorter than the clock's tick, or empty
        }
        String name = event.getEventType().getName().substring(EVENTS.length());
        var key = new Key(name, shape(event), event.getString("backend"), event.hasField("rows"));
        operators.computeIfAbsent(key, _ -> new Calls()).add(nanos, flop, bytes);
    }

    private static String shape(RecordedEvent event) {
        if (event.hasField("queries")) {
            return "heads " + event.getInt("heads") + "/" + event.getInt("keyHeads") + " dK " + event.getInt("dK")
                    + " queries " + upTo(event.getInt("queries")) + " keys " + upTo(event.getInt("keys"));
        }
        if (event.hasField("rows")) {
            String function = event.hasField("function") ? event.getString("function") + " " : "";
            return function + "width " + event.getInt("width") + " rows " + upTo(event.getLong("rows"));
        }
        long batch = event.getLong("batch");
        return event.getInt("n") + "x" + event.getInt("k") + " M " + upTo(event.getInt("m"))
                + (batch > 1 ? " batch " + upTo(batch) : "");
    }

    private static String upTo(long size) {
        if (size <= 2) {
            return Long.toString(size);
        }
        return "to " + (Long.highestOneBit(size - 1) << 1);
    }

    /** Nanoseconds that all calls took together. */
    private double nanos() {
        return operators.values().stream().mapToDouble(calls -> calls.nanos).sum();
    }

    /** What took most of the time first. */
    private List<Map.Entry<Key, Calls>> byTime() {
        return operators.entrySet().stream()
                .sorted(Comparator.comparingDouble(entry -> -entry.getValue().nanos))
                .limit(MOST)
                .toList();
    }

    /** Where each stands under the limits of this machine, what took most of the time first. */
    List<Result> results(Map<Limit, Stats> limits) {
        List<Result> results = new ArrayList<>();
        double ridge = median(limits, Limit.FMA) / median(limits, Limit.READ);
        for (Map.Entry<Key, Calls> entry : byTime()) {
            Key key = entry.getKey();
            Calls calls = entry.getValue();
            Limit limit = key.onRows ? Limit.READ_WRITE : calls.flop / calls.bytes < ridge ? Limit.READ : Limit.FMA;
            var op = new Op.Recorded(calls.flop / calls.count, calls.bytes / calls.count, limit);
            var benchmark = new Case(Group.RECORDED, key.name, key.shape + ", " + key.backend, op);
            List<Double> rates = calls.samples.stream()
                    .map(sample -> sample[limit == Limit.FMA ? 1 : 2] / sample[0])
                    .toList();
            var values = new LinkedHashMap<EngineKind, Stats>();
            values.put(new EngineKind(key.backend), Stats.of(rates));
            int count = (int) Math.min(calls.count, Integer.MAX_VALUE);
            results.add(new Result(benchmark, limits.get(limit), values, Map.of(), count));
        }
        return results;
    }

    private static double median(Map<Limit, Stats> limits, Limit limit) {
        Stats stats = limits.get(limit);
        return stats == null ? Double.NaN : stats.median();
    }

    /** A line for each, what took most of the time first. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        double all = nanos();
        lines.add(line("", "time", "calls", "ms", "GFLOP/s", "GB/s", "FLOP/B"));
        for (Map.Entry<Key, Calls> entry : byTime()) {
            Key key = entry.getKey();
            Calls calls = entry.getValue();
            lines.add(line(
                    key.name + " " + key.shape + ", " + key.backend,
                    String.format(Locale.ROOT, "%.1f%%", 100 * calls.nanos / all),
                    Long.toString(calls.count),
                    String.format(Locale.ROOT, "%.1f", calls.nanos / 1e6),
                    TextReport.number(calls.flop / calls.nanos),
                    TextReport.number(calls.bytes / calls.nanos),
                    TextReport.number(calls.flop / calls.bytes)));
        }
        if (operators.size() > MOST) {
            lines.add((operators.size() - MOST) + " more, which took less");
        }
        return lines;
    }

    private static String line(
            String name, String share, String calls, String ms, String flops, String bytes, String intensity) {
        return String.format(
                Locale.ROOT, "%-64s %6s %9s %10s %8s %7s %7s", name, share, calls, ms, flops, bytes, intensity);
    }
}
