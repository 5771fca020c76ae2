package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.R10;
import static dev.gatun.ops.machine.Gpr.R11;
import static dev.gatun.ops.machine.Gpr.R8;
import static dev.gatun.ops.machine.Gpr.R9;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VADDPS;
import static dev.gatun.ops.machine.VectorInstruction.VFMADD231PS;
import static dev.gatun.ops.machine.VectorInstruction.VMAXPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/**
 * Online softmax of a tile of scores [rows, columns], each column on its own:
 *
 * <pre>
 * before = max; max = greatest of max and the scores; shift = max, but 0 where that is -inf
 * score = exp(score - shift), for each row and for before, whose result is the correction, in the row after the last
 * sum = sum * correction + ((rows 0, 4, 8 ...) + (rows 2, 6 ...)) + ((rows 1, 5 ...) + (rows 3, 7 ...))
 * </pre>
 *
 * <p>For AVX-512. Thread-safe; its owner closes it after the last call.
 */
public final class ScoreSoftmax implements AutoCloseable {
    /** Bytes of memory that a call needs for itself. */
    public static final long PARAMETER_BYTES = 64;

    private static final int VECTOR = 64;
    private static final int SCORES = 0;
    private static final int ROWS = 8;
    private static final int VECTORS = 16;
    private static final int MAX = 24;
    private static final int SUM = 32;
    private static final int PARTIAL_SUMS = 4;

    private final CodeMemory code;
    private final MemorySegment entry;
    private final int rowBytes;

    /**
     * How e<sup>z</sup> is computed: n = z &middot; log2e + round - round, r = z + n &middot; minusLn2, a polynomial of degree 5 with
     * the last two coefficients 1, times the bits of (z &middot; log2e + round) &lt;&lt; 23; 0 below {@code least}.
     */
    public record Exp(float log2e, float round, float minusLn2, float s3, float s2, float s1, float s0, float least) {}

    private ScoreSoftmax(CodeMemory code, int rowBytes) {
        this.code = code;
        this.entry = code.entry(0);
        this.rowBytes = rowBytes;
    }

    /**
     * Writes the code.
     *
     * @param rowBytes bytes from one row of scores to the next
     * @throws MachineUnavailableException if the CPU has no AVX-512, or the system does not let such code run
     */
    public static ScoreSoftmax open(MachineHost host, Exp exp, int rowBytes) {
        if (!host.cpu().avx512()) {
            throw new MachineUnavailableException("machine code: the kernel for attention's weights needs AVX-512");
        }
        var written = new NamedCode("attention");
        Assembler asm = written.begin("softmax of scores");
        new Writer(asm, new ExpCode(asm, 22), rowBytes).write(exp);
        return new ScoreSoftmax(host.load(written), rowBytes);
    }

    /**
     * One tile. Offsets in bytes.
     *
     * @param parameters {@link #PARAMETER_BYTES} for this call alone
     * @param scoresAt [rows + 1, vectors of 16]; the last row is only written
     * @param maxAt the columns' running maxima
     * @param sumAt their running sums
     */
    public void run(
            MemorySegment parameters,
            MemorySegment memory,
            long scoresAt,
            int rows,
            int vectors,
            long maxAt,
            long sumAt) {
        long bytes = vectors * (long) VECTOR;
        long end = Math.max(scoresAt + rows * (long) rowBytes, Math.max(maxAt, sumAt)) + bytes;
        if (rows < 1
                || vectors < 1
                || bytes > rowBytes
                || Math.min(scoresAt, Math.min(maxAt, sumAt)) < 0
                || end > memory.byteSize()) {
            throw new IndexOutOfBoundsException("softmax of scores: " + rows + " rows of " + vectors + " vectors at "
                    + scoresAt + ", " + maxAt + " and " + sumAt + " of " + memory.byteSize() + " bytes");
        }
        parameters.set(JAVA_LONG, SCORES, scoresAt);
        parameters.set(JAVA_LONG, ROWS, rows);
        parameters.set(JAVA_LONG, VECTORS, vectors);
        parameters.set(JAVA_LONG, MAX, maxAt);
        parameters.set(JAVA_LONG, SUM, sumAt);
        FunctionCall.call(entry, parameters, memory);
    }

    @Override
    public void close() {
        code.close();
    }

    /** RDX scores of this vector, RCX rows, R8 and R9 maximum and sum, R10 vectors left. */
    private record Writer(Assembler asm, ExpCode exp, int rowBytes) {
        private static final Vec SHIFT = Vec.zmm(21);
        private static final Vec HIDDEN = Vec.zmm(31);
        /** Registers of one exp; four rows are under way in code, more by the CPU. */
        private static final int TEMPORARIES = 4;

        void write(Exp constants) {
            exp.load(constants);
            ExpCode.load(asm, HIDDEN, Float.NEGATIVE_INFINITY);
            asm.mov(RDX, at(RDI, SCORES));
            asm.add(RDX, RSI);
            asm.mov(R8, at(RDI, MAX));
            asm.add(R8, RSI);
            asm.mov(R9, at(RDI, SUM));
            asm.add(R9, RSI);
            asm.mov(R10, at(RDI, VECTORS));
            asm.mov(RCX, at(RDI, ScoreSoftmax.ROWS));
            Label vector = asm.here();
            maximum();
            weights();
            asm.add(RDX, VECTOR);
            asm.add(R8, VECTOR);
            asm.add(R9, VECTOR);
            asm.sub(R10, 1);
            asm.j(Condition.NOT_EQUAL, vector);
            asm.vzeroupper();
            asm.ret();
        }

        /** Zmm20: what was the maximum; SHIFT. Max(a, b) is b where they are equal or one is NaN: a score replaces only a lesser. */
        private void maximum() {
            Vec before = Vec.zmm(20);
            asm.op(VMOVUPS, before, at(R8));
            for (int i = 0; i < PARTIAL_SUMS; i++) {
                asm.op(VMOVAPS, Vec.zmm(i), before);
            }
            rows(i -> {
                asm.op(VMOVUPS, Vec.zmm(4 + i), at(R11, i * rowBytes));
                asm.op(VMAXPS, Vec.zmm(i), Vec.zmm(4 + i), Vec.zmm(i));
            });
            asm.op(VMAXPS, Vec.zmm(0), Vec.zmm(1), Vec.zmm(0));
            asm.op(VMAXPS, Vec.zmm(2), Vec.zmm(3), Vec.zmm(2));
            asm.op(VMAXPS, Vec.zmm(0), Vec.zmm(2), Vec.zmm(0));
            asm.store(at(R8), Vec.zmm(0));
            asm.vcmpps(Mask.K1, Vec.zmm(0), Comparison.NOT_EQUAL, HIDDEN);
            asm.opOrZero(VMOVAPS, SHIFT, Mask.K1, Vec.zmm(0));
        }

        /** Zmm16 to 19 are the partial sums. */
        private void weights() {
            for (int i = 0; i < PARTIAL_SUMS; i++) {
                asm.op(VPXORD, Vec.zmm(16 + i), Vec.zmm(16 + i), Vec.zmm(16 + i));
            }
            rows(i -> {
                Vec z = Vec.zmm(TEMPORARIES * i);
                asm.op(VMOVUPS, z, at(R11, i * rowBytes));
                exp.write(z, SHIFT);
                asm.op(VADDPS, Vec.zmm(16 + i), Vec.zmm(16 + i), z);
                asm.store(at(R11, i * rowBytes), z);
            });
            asm.op(VMOVAPS, Vec.zmm(0), Vec.zmm(20));
            exp.write(Vec.zmm(0), SHIFT);
            asm.store(at(R11), Vec.zmm(0));
            asm.op(VADDPS, Vec.zmm(16), Vec.zmm(16), Vec.zmm(18));
            asm.op(VADDPS, Vec.zmm(17), Vec.zmm(17), Vec.zmm(19));
            asm.op(VADDPS, Vec.zmm(16), Vec.zmm(16), Vec.zmm(17));
            asm.op(VFMADD231PS, Vec.zmm(16), Vec.zmm(0), at(R9));
            asm.store(at(R9), Vec.zmm(16));
        }

        private interface RowCode {
            void write(int row);
        }

        /** Code for each row, four at a time and those that are left one by one; R11 is the row, afterwards the one after the last. */
        private void rows(RowCode row) {
            var rest = new Label();
            var done = new Label();
            asm.mov(R11, RDX);
            asm.mov(RAX, RCX);
            asm.sub(RAX, PARTIAL_SUMS);
            asm.j(Condition.LESS, rest);
            Label loop = asm.here();
            for (int i = 0; i < PARTIAL_SUMS; i++) {
                row.write(i);
            }
            asm.add(R11, PARTIAL_SUMS * rowBytes);
            asm.sub(RAX, PARTIAL_SUMS);
            asm.j(Condition.GREATER_OR_EQUAL, loop);
            asm.bind(rest);
            asm.add(RAX, PARTIAL_SUMS);
            for (int left = 1; left < PARTIAL_SUMS; left++) {
                asm.cmp(RAX, left);
                asm.j(Condition.LESS, done);
                row.write(left - 1);
            }
            asm.bind(done);
            // RAX rows were written beyond R11, of which their code counts from.
            for (int left = 1; left < PARTIAL_SUMS; left++) {
                var enough = new Label();
                asm.cmp(RAX, left);
                asm.j(Condition.LESS, enough);
                asm.add(R11, rowBytes);
                asm.bind(enough);
            }
        }
    }
}
