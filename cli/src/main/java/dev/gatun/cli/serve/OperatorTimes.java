package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedThread;
import jdk.jfr.consumer.RecordingStream;

/** What the operators of a thread took while it was watched, as they tell the JDK's Flight Recorder (docs/JFR.md). */
final class OperatorTimes {
    private static final System.Logger LOG = System.getLogger("dev.gatun.cli.serve");
    private static final String PREFIX = "dev.gatun.";
    private static final List<String> OPERATORS = List.of(
            "Linear",
            "LinearGated",
            "MatMul",
            "Attention",
            "Softmax",
            "LogSoftmax",
            "LayerNorm",
            "RmsNorm",
            "Activate",
            "Add",
            "Multiply",
            "Scale",
            "SoftCap",
            "Rope",
            "Gather",
            "ArgMax");

    /** An operator on operands of a shape. */
    private record Key(String operator, String shape, String backend) {}

    private static final class Calls {
        private int count;
        private long nanos;
    }

    private final Map<Key, Calls> operators = new HashMap<>();

    /** Ends once all has been seen. */
    interface Watch extends AutoCloseable {
        @Override
        void close();
    }

    /** Watches the calling thread until what this returns is closed. A machine that cannot record is one without times. */
    Watch watch() {
        long thread = Thread.currentThread().threadId();
        RecordingStream stream;
        try {
            stream = new RecordingStream();
        } catch (IllegalStateException e) { // no room for its files, say
            LOG.log(System.Logger.Level.WARNING, "operators are not timed: " + e.getMessage());
            return () -> {};
        }
        stream.setSettings(OPERATORS.stream()
                .collect(Collectors.toMap(name -> PREFIX + name + "#enabled", _ -> Boolean.toString(true))));
        stream.onEvent(event -> add(event, thread));
        stream.startAsync();
        return () -> {
            stream.stop();
            stream.close();
        };
    }

    private void add(RecordedEvent event, long thread) {
        RecordedThread from = event.getThread();
        if (from != null && from.getJavaThreadId() == thread && event.hasField("flop")) {
            String name = event.getEventType().getName().substring(PREFIX.length());
            Calls calls = operators.computeIfAbsent(
                    new Key(name, shape(event), event.getString("backend")), _ -> new Calls());
            calls.count++;
            calls.nanos += event.getDuration().toNanos();
        }
    }

    private static String shape(RecordedEvent event) {
        if (event.hasField("queries")) {
            return event.getInt("heads") + " heads, " + event.getInt("queries") + " x " + event.getInt("keys") + " x "
                    + event.getInt("dK");
        }
        if (event.hasField("rows")) {
            return event.getLong("rows") + " x " + event.getInt("width");
        }
        return event.getInt("m") + " x " + event.getInt("k") + " by " + event.getInt("k") + " x " + event.getInt("n");
    }

    /** Writes a line for each operator and shape, what took longest first. */
    void write(ArrayNode into) {
        Comparator<Map.Entry<Key, Calls>> byTime = Comparator.comparingLong(entry -> -entry.getValue().nanos);
        operators.entrySet().stream()
                .sorted(byTime)
                .forEach(entry -> into.addObject()
                        .put("operator", entry.getKey().operator())
                        .put("shape", entry.getKey().shape())
                        .put("backend", entry.getKey().backend())
                        .put("calls", entry.getValue().count)
                        .put("ms", entry.getValue().nanos / 1e6));
    }
}
