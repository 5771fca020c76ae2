package dev.gatun.ops.machine;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Products of one row with compressed weights, for AVX-512: each element one chain of fused multiply-adds in ascending k, of the
 * floats that the weights are. Thread-safe; its owner closes it after the last call. Code is written at the first call that needs
 * it.
 */
public final class BlockProduct implements AutoCloseable {
    private static final int LANES = 16;

    private final MachineHost host;
    private final Map<BlockCodes, PanelFunctions> written = new ConcurrentHashMap<>();
    private final Map<BlockCodes, PanelFunctions> decoders = new ConcurrentHashMap<>();
    private volatile boolean closed;

    private BlockProduct(MachineHost host) {
        this.host = host;
    }

    /**
     * Nothing is written yet.
     *
     * @throws MachineUnavailableException if the CPU has no AVX-512
     */
    public static BlockProduct open(MachineHost host) {
        if (!host.cpu().avx512()) {
            throw new MachineUnavailableException("machine code: kernels for compressed weights need AVX-512");
        }
        return new BlockProduct(host);
    }

    /**
     * out[cols] = x[k] times weights, and what {@code flags} add to it. Offsets are in bytes; sizes are at least 1.
     *
     * @param parameters {@link F32Product#PARAMETER_BYTES} for this call alone
     * @param k a multiple of the codes' group
     * @param weights columns of whole groups, see {@link BlockCodes}; vectors of columns are whole
     * @param bias [cols], read with {@link F32Product#BIAS}
     * @param added [cols], read with {@link F32Product#ADD}; may be out
     * @param flags a sum of {@link F32Product}'s BIAS, ADD and MULTIPLY
     * @throws IndexOutOfBoundsException if an operand reaches beyond its segment
     * @throws IllegalStateException if this, or memory of an operand, is closed
     */
    public void multiply(
            MemorySegment parameters,
            BlockCodes codes,
            int cols,
            int k,
            MemorySegment x,
            long xAt,
            MemorySegment weights,
            long weightsAt,
            MemorySegment bias,
            long biasAt,
            MemorySegment added,
            long addedAt,
            int flags,
            MemorySegment out,
            long outAt) {
        int vectors = (cols + LANES - 1) / LANES;
        long columnBytes = codes.columnBytes(k);
        long floats = cols * (long) Float.BYTES;
        if (cols < 1 || k < 1 || k % codes.group() != 0) {
            throw new IllegalArgumentException(
                    "machine product: " + cols + " columns of " + k + " codes, in groups of " + codes.group());
        }
        check("x", x, xAt, k * (long) Float.BYTES);
        check("weights", weights, weightsAt, vectors * columnBytes);
        check("out", out, outAt, floats);
        if ((flags & F32Product.BIAS) != 0) {
            check("bias", bias, biasAt, floats);
        }
        if ((flags & F32Product.ADD) != 0) {
            check("added", added, addedAt, floats);
        }
        PanelFunctions there = written.get(codes);
        PanelFunctions functions = there == null
                ? write(
                        written,
                        "row by ",
                        codes,
                        BlockRow.panelVectors(codes),
                        (asm, width) -> BlockRow.write(asm, codes, width))
                : there;
        parameters.set(JAVA_LONG, Parameters.A_AT, xAt);
        parameters.set(JAVA_LONG, Parameters.STEPS, k);
        parameters.set(JAVA_LONG, Parameters.C_ROW, 0);
        parameters.set(JAVA_LONG, Parameters.ADDED_ROW, 0);
        parameters.set(JAVA_LONG, Parameters.FLAGS, flags);
        for (int v = 0; v < vectors; ) {
            int width = Math.min(vectors - v, functions.most());
            int panels = (vectors - v) / width;
            functions.run(
                    parameters,
                    v,
                    width,
                    panels,
                    cols,
                    LANES,
                    x,
                    weights,
                    weightsAt,
                    columnBytes,
                    out,
                    outAt,
                    bias,
                    biasAt,
                    added,
                    addedAt);
            v += panels * width;
        }
    }

    /**
     * out[k][16] = the weights of one column of 16 features. Offsets are in bytes.
     *
     * @param parameters {@link F32Product#PARAMETER_BYTES} for this call alone
     * @param k a multiple of the codes' group, at least one
     * @throws IndexOutOfBoundsException if an operand reaches beyond its segment
     * @throws IllegalStateException if this, or memory of an operand, is closed
     */
    public void decode(
            MemorySegment parameters,
            BlockCodes codes,
            int k,
            MemorySegment weights,
            long weightsAt,
            MemorySegment out,
            long outAt) {
        if (k < 1 || k % codes.group() != 0) {
            throw new IllegalArgumentException("machine product: " + k + " codes, in groups of " + codes.group());
        }
        check("weights", weights, weightsAt, codes.columnBytes(k));
        check("out", out, outAt, k * (long) LANES * Float.BYTES);
        PanelFunctions there = decoders.get(codes);
        PanelFunctions functions = there == null
                ? write(decoders, "decoded ", codes, 1, (asm, vectors) -> BlockRow.writeDecoder(asm, codes))
                : there;
        parameters.set(JAVA_LONG, Parameters.B_AT, weightsAt);
        parameters.set(JAVA_LONG, Parameters.C_AT, outAt);
        parameters.set(JAVA_LONG, Parameters.STEPS, k);
        FunctionCall.call(functions.first(), parameters, weights, out);
    }

    private static void check(String name, MemorySegment segment, long at, long bytes) {
        if (at < 0 || at > segment.byteSize() - bytes) {
            throw new IndexOutOfBoundsException("machine product: " + bytes + " bytes of " + name + " from " + at
                    + " on are not within " + segment.byteSize() + " bytes");
        }
    }

    private synchronized PanelFunctions write(
            Map<BlockCodes, PanelFunctions> to, String name, BlockCodes codes, int most, PanelFunctions.Kernel kernel) {
        if (closed) {
            throw new IllegalStateException("machine product: the backend is closed");
        }
        return to.computeIfAbsent(codes, c -> PanelFunctions.write(host, name + codes.bits() + " bits", most, kernel));
    }

    @Override
    public synchronized void close() {
        closed = true;
        for (Map<BlockCodes, PanelFunctions> all : List.of(written, decoders)) {
            all.values().forEach(PanelFunctions::close);
            all.clear();
        }
    }
}
