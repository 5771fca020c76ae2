package dev.gatun.ops;

import dev.gatun.ops.internal.AttentionCall;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.EventType;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/**
 * What the operators tell the JDK Flight Recorder: one event type each, off unless a recording turns it on (docs/JFR.md). While
 * no recording has it on, an operator reads one field and makes no object. An operator that throws leaves no event.
 */
final class OpEvents {
    private OpEvents() {}

    /** An operator, from its beginning to {@code end}. */
    @Category({"Gatun", "Operators"})
    @Enabled(false)
    @StackTrace(false)
    abstract static class OpEvent extends Event {
        @Label("Backend")
        String backend = "";

        @Label("FLOP")
        @Description("Floating-point operations; a fused multiply-add is two")
        long flop;

        @Label("Bytes")
        @Description("What the operator has to read and write once, were no cache to hold it")
        @DataAmount
        long bytes;

        final void end(String newBackend, double newFlop, double newBytes) {
            end();
            backend = newBackend;
            flop = (long) newFlop;
            bytes = (long) newBytes;
            commit();
        }
    }

    /** batch products of [m, k] with [k, n]. */
    abstract static class ProductEvent extends OpEvent {
        @Label("Batch")
        long batch;

        @Label("M")
        int m;

        @Label("N")
        int n;

        @Label("K")
        int k;
    }

    @Name("dev.gatun.Linear")
    @Label("Linear")
    static final class LinearEvent extends ProductEvent {}

    @Name("dev.gatun.LinearGated")
    @Label("Gated linear")
    static final class LinearGatedEvent extends ProductEvent {}

    @Name("dev.gatun.MatMul")
    @Label("Matrix product")
    static final class MatMulEvent extends ProductEvent {}

    @Name("dev.gatun.Attention")
    @Label("Attention")
    static final class AttentionEvent extends OpEvent {
        @Label("Batch")
        int batch;

        @Label("Heads")
        int heads;

        @Label("Key heads")
        int keyHeads;

        @Label("Queries")
        @Description("Of the sequence that has most")
        int queries;

        @Label("Keys")
        @Description("Of the sequence whose queries see most")
        int keys;

        @Label("dK")
        int dK;

        @Label("dV")
        int dV;
    }

    /** An operator on rows. */
    abstract static class RowsEvent extends OpEvent {
        @Label("Rows")
        long rows;

        @Label("Width")
        int width;
    }

    @Name("dev.gatun.Softmax")
    @Label("Softmax")
    static final class SoftmaxEvent extends RowsEvent {}

    @Name("dev.gatun.LogSoftmax")
    @Label("Log softmax")
    static final class LogSoftmaxEvent extends RowsEvent {}

    @Name("dev.gatun.LayerNorm")
    @Label("Layer norm")
    static final class LayerNormEvent extends RowsEvent {}

    @Name("dev.gatun.RmsNorm")
    @Label("RMS norm")
    static final class RmsNormEvent extends RowsEvent {}

    @Name("dev.gatun.Activate")
    @Label("Activation")
    static final class ActivateEvent extends RowsEvent {
        @Label("Function")
        String function = "";
    }

    @Name("dev.gatun.Add")
    @Label("Add")
    static final class AddEvent extends RowsEvent {}

    @Name("dev.gatun.Multiply")
    @Label("Multiply")
    static final class MultiplyEvent extends RowsEvent {}

    @Name("dev.gatun.Scale")
    @Label("Scale")
    static final class ScaleEvent extends RowsEvent {}

    @Name("dev.gatun.SoftCap")
    @Label("Soft cap")
    static final class SoftCapEvent extends RowsEvent {}

    @Name("dev.gatun.Rope")
    @Label("Rotary positions")
    static final class RopeEvent extends RowsEvent {}

    @Name("dev.gatun.Gather")
    @Label("Gather")
    static final class GatherEvent extends RowsEvent {}

    @Name("dev.gatun.ArgMax")
    @Label("Argmax")
    static final class ArgMaxEvent extends RowsEvent {}

    /** Looked up once, when the first recording starts: until then not even the classes of the events are loaded. */
    private static final class Types {
        static final EventType LINEAR = EventType.getEventType(LinearEvent.class);
        static final EventType LINEAR_GATED = EventType.getEventType(LinearGatedEvent.class);
        static final EventType MATMUL = EventType.getEventType(MatMulEvent.class);
        static final EventType ATTENTION = EventType.getEventType(AttentionEvent.class);
        static final EventType SOFTMAX = EventType.getEventType(SoftmaxEvent.class);
        static final EventType LOG_SOFTMAX = EventType.getEventType(LogSoftmaxEvent.class);
        static final EventType LAYER_NORM = EventType.getEventType(LayerNormEvent.class);
        static final EventType RMS_NORM = EventType.getEventType(RmsNormEvent.class);
        static final EventType ACTIVATE = EventType.getEventType(ActivateEvent.class);
        static final EventType ADD = EventType.getEventType(AddEvent.class);
        static final EventType MULTIPLY = EventType.getEventType(MultiplyEvent.class);
        static final EventType SCALE = EventType.getEventType(ScaleEvent.class);
        static final EventType SOFT_CAP = EventType.getEventType(SoftCapEvent.class);
        static final EventType ROPE = EventType.getEventType(RopeEvent.class);
        static final EventType GATHER = EventType.getEventType(GatherEvent.class);
        static final EventType ARG_MAX = EventType.getEventType(ArgMaxEvent.class);
    }

    /** True once there has been a recording. */
    private static boolean recorded() {
        return FlightRecorder.isInitialized();
    }

    private static <E extends OpEvent> E begun(E event) {
        event.begin();
        return event;
    }

    static @Nullable ProductEvent linear() {
        return recorded() && Types.LINEAR.isEnabled() ? begun(new LinearEvent()) : null;
    }

    static @Nullable ProductEvent linearGated() {
        return recorded() && Types.LINEAR_GATED.isEnabled() ? begun(new LinearGatedEvent()) : null;
    }

    static @Nullable ProductEvent matMul() {
        return recorded() && Types.MATMUL.isEnabled() ? begun(new MatMulEvent()) : null;
    }

    static @Nullable AttentionEvent attention() {
        return recorded() && Types.ATTENTION.isEnabled() ? begun(new AttentionEvent()) : null;
    }

    static @Nullable RowsEvent softmax() {
        return recorded() && Types.SOFTMAX.isEnabled() ? begun(new SoftmaxEvent()) : null;
    }

    static @Nullable RowsEvent logSoftmax() {
        return recorded() && Types.LOG_SOFTMAX.isEnabled() ? begun(new LogSoftmaxEvent()) : null;
    }

    static @Nullable RowsEvent layerNorm() {
        return recorded() && Types.LAYER_NORM.isEnabled() ? begun(new LayerNormEvent()) : null;
    }

    static @Nullable RowsEvent rmsNorm() {
        return recorded() && Types.RMS_NORM.isEnabled() ? begun(new RmsNormEvent()) : null;
    }

    static @Nullable RowsEvent activate(Activation activation) {
        if (!recorded() || !Types.ACTIVATE.isEnabled()) {
            return null;
        }
        ActivateEvent event = new ActivateEvent();
        event.function = activation.name();
        return begun(event);
    }

    static @Nullable RowsEvent add() {
        return recorded() && Types.ADD.isEnabled() ? begun(new AddEvent()) : null;
    }

    static @Nullable RowsEvent multiply() {
        return recorded() && Types.MULTIPLY.isEnabled() ? begun(new MultiplyEvent()) : null;
    }

    static @Nullable RowsEvent scale() {
        return recorded() && Types.SCALE.isEnabled() ? begun(new ScaleEvent()) : null;
    }

    static @Nullable RowsEvent softCap() {
        return recorded() && Types.SOFT_CAP.isEnabled() ? begun(new SoftCapEvent()) : null;
    }

    static @Nullable RowsEvent rope() {
        return recorded() && Types.ROPE.isEnabled() ? begun(new RopeEvent()) : null;
    }

    static @Nullable RowsEvent gather() {
        return recorded() && Types.GATHER.isEnabled() ? begun(new GatherEvent()) : null;
    }

    static @Nullable RowsEvent argMax() {
        return recorded() && Types.ARG_MAX.isEnabled() ? begun(new ArgMaxEvent()) : null;
    }

    /**
     * Ends a product.
     *
     * @param products how many matrices b are multiplied with the same a
     * @param bBytes of one matrix b
     */
    static void end(
            @Nullable ProductEvent event,
            String backend,
            long batch,
            int m,
            int n,
            int k,
            int products,
            double bBytes,
            long epilogueElements) {
        if (event != null) {
            event.batch = batch;
            event.m = m;
            event.n = n;
            event.k = k;
            double a = (double) batch * m * k;
            double out = (double) batch * m * n;
            double bytes = (a + out + epilogueElements) * Float.BYTES + products * bBytes;
            event.end(backend, 2.0 * products * out * k, bytes);
        }
    }

    /** Ends attention. */
    static void end(@Nullable AttentionEvent event, String backend, AttentionCall call) {
        if (event != null) {
            event.batch = call.batch();
            event.heads = call.nHeads();
            event.keyHeads = call.nKvHeads();
            event.queries = call.mostQueries();
            event.keys = call.mostKeys();
            event.dK = call.dK();
            event.dV = call.dV();
            double rows = (double) event.batch
                    * ((double) event.queries * event.heads + (double) event.keys * event.keyHeads);
            int width = event.dK + event.dV;
            event.end(backend, 2.0 * call.scores() * width, rows * width * Float.BYTES);
        }
    }

    /** Operations of an activation's kernel on one element, a division as one. */
    static int flop(Activation activation) {
        return switch (activation) {
            case RELU -> 1;
            case GELU -> 32;
            case GELU_TANH -> 29;
            case QUICK_GELU, SILU, SIGMOID -> 26;
            case TANH -> 28;
        };
    }

    /**
     * Ends an operator on rows.
     *
     * @param flopAnElement operations of our kernels for each element
     * @param elements that are read and written, all operands together
     */
    static void end(
            @Nullable RowsEvent event, String backend, long rows, int width, int flopAnElement, double elements) {
        if (event != null) {
            event.rows = rows;
            event.width = width;
            event.end(backend, (double) rows * width * flopAnElement, elements * Float.BYTES);
        }
    }
}
