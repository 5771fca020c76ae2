package dev.gatun.ops.machine;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Operators on rows of floats by machine code, for AVX-512, with rows of any length. Offsets and strides are in bytes; a row's floats
 * are adjacent; out may be x, row for row. Thread-safe; its owner closes it after the last call.
 */
public final class RowKernels implements AutoCloseable {
    /**
     * e<sup>z</sup>: n = z &middot; log2e + round - round, r = z + n &middot; minusLn2High + n &middot; minusLn2Low, 1 + r + r&sup2; q(r) times
     * the bits of (z &middot; log2e + round) &lt;&lt; 23; {@code least} for a z below it.
     *
     * @param q five coefficients, the highest power's first
     */
    public record Exp(float log2e, float round, float minusLn2High, float minusLn2Low, List<Float> q, float least) {}

    /**
     * GELU by the normal distribution's tail.
     *
     * @param g eight coefficients, the highest power's first
     * @param p six, likewise
     * @param round added to a float for it to be an integer
     * @param most of |x| that has a tail
     */
    public record Gelu(List<Float> g, List<Float> p, float round, float most) {}

    /**
     * All that kernels are told.
     *
     * @param geluTanh factors of x and x&sup3;
     * @param gateMost argument of e beyond which a gate is closed
     * @param tanhMost beyond which tanh is 1
     * @param shrink factor to rows whose squares overflow
     */
    public record Constants(
            ScoreSoftmax.Exp scores,
            Exp exp,
            Gelu gelu,
            List<Float> geluTanh,
            float quickGelu,
            float gateMost,
            float tanhMost,
            float shrink) {}

    /** A function of x alone, or of x and two numbers. */
    public enum Function {
        SCALE,
        /** x minus one number, minus the other. */
        SUBTRACT,
        RELU,
        GELU,
        GELU_TANH,
        QUICK_GELU,
        SILU,
        SIGMOID,
        /** One number times tanh of x times the other. */
        TANH,
        /** e to the power of x minus the largest of a row, over their sum. */
        SOFTMAX
    }

    /** A function of x and b. */
    public enum Pair {
        ADD,
        MULTIPLY
    }

    private static final MemorySegment NONE = MemorySegment.NULL;

    private final CodeMemory code;
    /** In the order of {@link Function}. */
    private final List<MemorySegment> functions;

    private final MemorySegment add;
    private final MemorySegment multiply;
    private final MemorySegment layerNorm;
    private final MemorySegment layerNormBias;
    private final MemorySegment rmsNorm;
    private final MemorySegment ropeHalves;
    private final MemorySegment ropePairs;
    private final MemorySegment sumOfExp;
    private final MemorySegment argMax;
    private volatile boolean closed;

    private RowKernels(MachineHost host, Constants c) {
        var written = new NamedCode("rows");
        Exp exp = c.exp;
        float most = c.gateMost;
        for (Function function : Function.values()) {
            Consumer<Assembler> writer = switch (function) {
                case SCALE -> ElementCode::scale;
                case SUBTRACT -> ElementCode::subtract;
                case RELU -> ElementCode::relu;
                case GELU -> asm -> ElementCode.gelu(asm, c.gelu);
                case GELU_TANH ->
                    asm -> ElementCode.gate(asm, exp, most, true, c.geluTanh.getFirst(), c.geluTanh.getLast());
                case QUICK_GELU -> asm -> ElementCode.gate(asm, exp, most, true, c.quickGelu, 0f);
                case SILU -> asm -> ElementCode.gate(asm, exp, most, true, -1f, 0f);
                case SIGMOID -> asm -> ElementCode.gate(asm, exp, most, false, -1f, 0f);
                case TANH -> asm -> ElementCode.tanh(asm, exp, c.tanhMost);
                case SOFTMAX -> asm -> SoftmaxCode.rows(asm, c.scores);
            };
            writer.accept(written.begin(function.name()));
        }
        ElementCode.combine(written.begin("add"), VectorInstruction.VADDPS);
        ElementCode.combine(written.begin("multiply"), VectorInstruction.VMULPS);
        NormCode.layer(written.begin("layer norm"), false);
        NormCode.layer(written.begin("layer norm with bias"), true);
        NormCode.rms(written.begin("rms norm"), c.shrink);
        RopeCode.halves(written.begin("rope"));
        RopeCode.pairs(written.begin("rope of pairs"));
        SoftmaxCode.sum(written.begin("sum of exp"), c.scores);
        SoftmaxCode.argMax(written.begin("argmax"));
        code = host.load(written);
        int next = Function.values().length;
        functions = IntStream.range(0, next).mapToObj(code::entry).toList();
        add = code.entry(next++);
        multiply = code.entry(next++);
        layerNorm = code.entry(next++);
        layerNormBias = code.entry(next++);
        rmsNorm = code.entry(next++);
        ropeHalves = code.entry(next++);
        ropePairs = code.entry(next++);
        sumOfExp = code.entry(next++);
        argMax = code.entry(next);
    }

    /**
     * Writes the code.
     *
     * @throws MachineUnavailableException if the CPU has no AVX-512, or the system does not let such code run
     */
    public static RowKernels open(MachineHost host, Constants constants) {
        if (!host.cpu().avx512()) {
            throw new MachineUnavailableException("machine code: the kernels for rows need AVX-512");
        }
        return new RowKernels(host, constants);
    }

    /** Whether it can no longer be called. */
    public boolean isClosed() {
        return closed;
    }

    private static void check(String name, MemorySegment segment, long at, long stride, int rows, int cols) {
        long bytes = (rows - 1) * stride + cols * (long) Float.BYTES;
        if (at < 0 || stride < 0 || bytes < 0 || at > segment.byteSize() - bytes) {
            throw new IndexOutOfBoundsException("rows: " + name + " [" + rows + ", " + cols + "] with " + stride
                    + " bytes from row to row is not within " + segment.byteSize() + " bytes from " + at + " on");
        }
    }

    private static boolean isEmpty(int rows, int cols) {
        return rows < 1 || cols < 1;
    }

    private static long bits(float number) {
        return Float.floatToRawIntBits(number) & 0xFFFFFFFFL;
    }

    /** out = function(x); the numbers where the function has them. */
    @SuppressWarnings("EnumOrdinal") // a list, for this is on the way of each call
    public void apply(
            Function function,
            float first,
            float second,
            MemorySegment x,
            long xAt,
            long xStride,
            MemorySegment out,
            long outAt,
            long outStride,
            int rows,
            int cols) {
        if (isEmpty(rows, cols)) {
            return;
        }
        check("x", x, xAt, xStride, rows, cols);
        check("out", out, outAt, outStride, rows, cols);
        FunctionCall.rows(
                functions.get(function.ordinal()),
                x,
                xAt,
                xStride,
                NONE,
                0,
                0,
                NONE,
                0,
                out,
                outAt,
                outStride,
                rows,
                cols,
                bits(first),
                bits(second));
    }

    /** out = x OP b, b's stride being 0 for one row of it. */
    public void combine(
            Pair pair,
            MemorySegment x,
            long xAt,
            long xStride,
            MemorySegment b,
            long bAt,
            long bStride,
            MemorySegment out,
            long outAt,
            long outStride,
            int rows,
            int cols) {
        if (isEmpty(rows, cols)) {
            return;
        }
        check("x", x, xAt, xStride, rows, cols);
        check("b", b, bAt, bStride, rows, cols);
        check("out", out, outAt, outStride, rows, cols);
        MemorySegment entry = pair == Pair.ADD ? add : multiply;
        FunctionCall.rows(entry, x, xAt, xStride, b, bAt, bStride, NONE, 0, out, outAt, outStride, rows, cols, 0, 0);
    }

    /** out = (x - mean) / sqrt(variance + epsilon) &middot; weight + bias. */
    public void layerNorm(
            MemorySegment x,
            long xAt,
            long xStride,
            MemorySegment weight,
            long weightAt,
            @Nullable MemorySegment bias,
            long biasAt,
            float epsilon,
            MemorySegment out,
            long outAt,
            long outStride,
            int rows,
            int cols) {
        MemorySegment entry = bias == null ? layerNorm : layerNormBias;
        MemorySegment added = bias == null ? weight : bias;
        long addedAt = bias == null ? weightAt : biasAt;
        norm(entry, x, xAt, xStride, weight, weightAt, added, addedAt, epsilon, out, outAt, outStride, rows, cols);
    }

    /** out = x / sqrt(mean(x&sup2;) + epsilon) &middot; weight. */
    public void rmsNorm(
            MemorySegment x,
            long xAt,
            long xStride,
            MemorySegment weight,
            long weightAt,
            float epsilon,
            MemorySegment out,
            long outAt,
            long outStride,
            int rows,
            int cols) {
        norm(rmsNorm, x, xAt, xStride, weight, weightAt, weight, weightAt, epsilon, out, outAt, outStride, rows, cols);
    }

    private static void norm(
            MemorySegment entry,
            MemorySegment x,
            long xAt,
            long xStride,
            MemorySegment weight,
            long weightAt,
            MemorySegment bias,
            long biasAt,
            float epsilon,
            MemorySegment out,
            long outAt,
            long outStride,
            int rows,
            int cols) {
        if (isEmpty(rows, cols)) {
            return;
        }
        check("x", x, xAt, xStride, rows, cols);
        check("weight", weight, weightAt, 0, 1, cols);
        check("bias", bias, biasAt, 0, 1, cols);
        check("out", out, outAt, outStride, rows, cols);
        long number = bits(epsilon);
        FunctionCall.rows(
                entry,
                x,
                xAt,
                xStride,
                weight,
                weightAt,
                0,
                bias,
                biasAt,
                out,
                outAt,
                outStride,
                rows,
                cols,
                number,
                bits(cols));
    }

    /** Rotary positions of the first {@code rotaryDim} floats of each row; the others are not touched. */
    public void rope(
            boolean interleaved,
            MemorySegment x,
            long xAt,
            long xStride,
            MemorySegment cos,
            long cosAt,
            MemorySegment sin,
            long sinAt,
            long tableStride,
            int rotaryDim,
            MemorySegment out,
            long outAt,
            long outStride,
            int rows) {
        if (isEmpty(rows, rotaryDim)) {
            return;
        }
        int half = rotaryDim / 2;
        check("x", x, xAt, xStride, rows, rotaryDim);
        check("cosines", cos, cosAt, tableStride, rows, half);
        check("sines", sin, sinAt, tableStride, rows, half);
        check("out", out, outAt, outStride, rows, rotaryDim);
        FunctionCall.rows(
                interleaved ? ropePairs : ropeHalves,
                x,
                xAt,
                xStride,
                cos,
                cosAt,
                tableStride,
                sin,
                sinAt,
                out,
                outAt,
                outStride,
                rows,
                interleaved ? rotaryDim : half,
                half * (long) Float.BYTES,
                0);
    }

    /**
     * What log-softmax subtracts of a row of at least one float: the bits of its maximum, or of 0 where that is -inf, and, in the upper
     * half, those of the sum of the exponentials of what is left.
     */
    public long sumOfExp(MemorySegment x, long xAt, int cols) {
        check("x", x, xAt, 0, 1, cols);
        return FunctionCall.rows(sumOfExp, x, xAt, 0, NONE, 0, 0, NONE, 0, NONE, 0, 0, 1, cols, 0, 0);
    }

    /** The first index of the largest of {@code cols} floats, at least one; 0 if all are NaN. */
    public int argMax(MemorySegment x, long xAt, int cols) {
        check("x", x, xAt, 0, 1, cols);
        return (int) FunctionCall.rows(argMax, x, xAt, 0, NONE, 0, 0, NONE, 0, NONE, 0, 0, 1, cols, 0, 0);
    }

    @Override
    public void close() {
        closed = true;
        code.close();
    }
}
