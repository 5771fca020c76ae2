package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Activation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What C2 compiles one by one of {@link Rows}: an operator, or an activation; with a call on invented data for each. */
@SuppressWarnings({"EnumOrdinal", "ImmutableEnumChecker"
}) // an array, for this is on the way of each call; lambdas hold nothing
public enum RowsKernel {
    /** {@link Rows#softmax}. */
    SOFTMAX((r, d) -> r.softmax(d.x, 0, Data.STRIDE, d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS)),
    /** {@link Rows#logSoftmax}. */
    LOG_SOFTMAX((r, d) -> r.logSoftmax(d.x, 0, Data.STRIDE, d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS)),
    /** {@link Rows#softmaxTile}. */
    SOFTMAX_TILE((r, d) -> {
        d.out.copyFrom(d.x);
        r.softmaxTile(d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS, d.state, 0, Data.ROWS);
    }),
    /** {@link Rows#scaleRows}. */
    SCALE_ROWS((r, d) -> r.scaleRows(d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS, d.ones, 0)),
    /** {@link Rows#divideRows}. */
    DIVIDE_ROWS((r, d) -> r.divideRows(d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS, d.ones, 0)),
    /** {@link Rows#layerNorm}. */
    LAYER_NORM((r, d) ->
            r.layerNorm(d.x, 0, Data.STRIDE, d.ones, 0, d.ones, 0, 1e-5f, d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS)),
    /** {@link Rows#rmsNorm}. */
    RMS_NORM((r, d) -> r.rmsNorm(d.x, 0, Data.STRIDE, d.ones, 0, 1e-5f, d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS)),
    /** {@link Activation#RELU}. */
    RELU((r, d) -> activate(Activation.RELU, r, d)),
    /** {@link Activation#GELU}. */
    GELU((r, d) -> activate(Activation.GELU, r, d)),
    /** {@link Activation#GELU_TANH}. */
    GELU_TANH((r, d) -> activate(Activation.GELU_TANH, r, d)),
    /** {@link Activation#QUICK_GELU}. */
    QUICK_GELU((r, d) -> activate(Activation.QUICK_GELU, r, d)),
    /** {@link Activation#SILU}. */
    SILU((r, d) -> activate(Activation.SILU, r, d)),
    /** {@link Activation#SIGMOID}. */
    SIGMOID((r, d) -> activate(Activation.SIGMOID, r, d)),
    /** {@link Activation#TANH}. */
    TANH((r, d) -> activate(Activation.TANH, r, d)),
    /** {@link Rows#add}. */
    ADD((r, d) -> r.add(d.x, 0, Data.STRIDE, d.y, 0, Data.STRIDE, d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS)),
    /** {@link Rows#multiply}. */
    MULTIPLY((r, d) ->
            r.multiply(d.x, 0, Data.STRIDE, d.y, 0, Data.STRIDE, d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS)),
    /** {@link Rows#scale}. */
    SCALE((r, d) -> r.scale(0.5f, d.x, 0, Data.STRIDE, d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS)),
    /** {@link Rows#softCap}. */
    SOFT_CAP((r, d) -> r.softCap(30, d.out, 0, Data.STRIDE, Data.ROWS, Data.COLS)),
    /** {@link Rows#rope}. */
    ROPE((r, d) -> {
        for (int i = 0; i < 2; i++) {
            r.rope(
                    d.x,
                    0,
                    Data.STRIDE,
                    d.y,
                    0,
                    d.y,
                    0,
                    Data.STRIDE,
                    Data.COLS,
                    i == 1,
                    d.out,
                    0,
                    Data.STRIDE,
                    Data.ROWS / 2,
                    Data.COLS);
        }
    }),
    /** {@link Rows#argMax}. */
    ARG_MAX((r, d) -> d.state.set(JAVA_FLOAT_UNALIGNED, 0, r.argMax(d.x, 0, Data.ROWS * Data.COLS)));

    private static final RowsKernel[] ACTIVATIONS = {RELU, GELU, GELU_TANH, QUICK_GELU, SILU, SIGMOID, TANH};

    private final Call call;

    private interface Call {
        void on(Rows rows, Data data);
    }

    /** Operands of invented calls. */
    public static final class Data {
        static final int ROWS = 8;
        static final int COLS = 200; // whole vectors of every width, and some more
        static final long STRIDE = COLS * (long) Float.BYTES;

        private final MemorySegment x;
        private final MemorySegment y;
        private final MemorySegment out;
        private final MemorySegment ones;
        private final MemorySegment state;

        /** Takes memory of {@code arena}. */
        public Data(Arena arena) {
            x = arena.allocate(ROWS * STRIDE, Tensor.ALIGNMENT);
            y = arena.allocate(ROWS * STRIDE, Tensor.ALIGNMENT);
            out = arena.allocate(ROWS * STRIDE, Tensor.ALIGNMENT);
            ones = arena.allocate(STRIDE, Tensor.ALIGNMENT);
            state = arena.allocate(3L * ROWS * Float.BYTES, Tensor.ALIGNMENT);
            for (int i = 0; i < ROWS * COLS; i++) {
                x.setAtIndex(JAVA_FLOAT_UNALIGNED, i, i % 37 / 8f - 2);
                y.setAtIndex(JAVA_FLOAT_UNALIGNED, i, i % 29 / 29f);
            }
            for (int i = 0; i < COLS; i++) {
                ones.setAtIndex(JAVA_FLOAT_UNALIGNED, i, 1f);
            }
        }
    }

    RowsKernel(Call call) {
        this.call = call;
    }

    /** That of an activation. */
    static RowsKernel of(Activation activation) {
        return ACTIVATIONS[activation.ordinal()];
    }

    private static void activate(Activation activation, Rows rows, Data data) {
        rows.activate(activation, data.x, 0, Data.STRIDE, data.out, 0, Data.STRIDE, Data.ROWS, Data.COLS);
    }

    /** Calls it once. */
    public void run(Rows rows, Data data) {
        call.on(rows, data);
    }
}
