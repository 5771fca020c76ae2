package dev.gatun.ops.machine;

import static dev.gatun.ops.machine.Address.at;
import static dev.gatun.ops.machine.Gpr.RAX;
import static dev.gatun.ops.machine.Gpr.RCX;
import static dev.gatun.ops.machine.Gpr.RDI;
import static dev.gatun.ops.machine.Gpr.RDX;
import static dev.gatun.ops.machine.Gpr.RSI;
import static dev.gatun.ops.machine.VectorInstruction.VCVTPH2PS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVAPS;
import static dev.gatun.ops.machine.VectorInstruction.VMOVUPS;
import static dev.gatun.ops.machine.VectorInstruction.VPANDD;
import static dev.gatun.ops.machine.VectorInstruction.VPXORD;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/**
 * Brings rows of ggml's simple blocks into the columns of {@link BlockCodes}, 16 rows side by side:
 *
 * <pre>
 * for each block of 32 weights
 *     scale, min = floats of the halves at the block's start; both NaN where one is not finite
 *     8 bits: the bytes d[0 ... 7], four to an int, each plus 128; an int rotated left by 4
 *     4 bits: the low halves of 16 bytes, then the high ones, eight to an int; rotated left by 8
 * </pre>
 *
 * <p>For AVX-512. Thread-safe; its owner closes it after the last call.
 */
public final class BlockPacking implements AutoCloseable {
    /** How weights of a row are stored: {@code Q8_0}, {@code Q4_0}, {@code Q4_1} of ggml. */
    public enum Source {
        Q8_0(34, 2, 8, false),
        /** Its minimum, -8 scale, is not stored: columns have none. */
        Q4_0(18, 2, 4, false),
        Q4_1(20, 4, 4, true);

        private final int bytes;
        private final int codesAt;
        private final int bits;
        private final boolean min;

        Source(int bytes, int codesAt, int bits, boolean min) {
            this.bytes = bytes;
            this.codesAt = codesAt;
            this.bits = bits;
            this.min = min;
        }

        /** Vectors of a group, as {@link BlockCodes} has them. */
        private int groupVectors() {
            return (min ? 2 : 1) + bits;
        }
    }

    /** Rows that become a column. */
    public static final int ROWS = 16;

    /** Weights of a block. */
    public static final int BLOCK = 32;

    /** Bytes of memory that a call needs for itself. */
    public static final long PARAMETER_BYTES = 96;

    private static final int FROM = 0;
    private static final int TO = 8;
    private static final int BLOCKS = 16;
    private static final int MASK = 24;
    private static final int OFFSETS = 32;

    private static final int VECTOR = 64;

    private final CodeMemory code;

    private BlockPacking(MachineHost host) {
        var written = new NamedCode("packing");
        for (Source source : Source.values()) {
            new Writer(written.begin(source.name()), source).function();
        }
        code = host.load(written);
    }

    /**
     * Writes the code.
     *
     * @throws MachineUnavailableException if the CPU has no AVX-512, or the system does not let such code run
     */
    public static BlockPacking open(MachineHost host) {
        if (!host.cpu().avx512()) {
            throw new MachineUnavailableException("machine code: packing of blocks needs AVX-512");
        }
        return new BlockPacking(host);
    }

    /**
     * Up to 16 rows, of whole blocks and one after another, to a column; lanes without a row are not written.
     *
     * @param parameters {@link #PARAMETER_BYTES}, aligned to 8, for this call alone
     * @throws IndexOutOfBoundsException if rows or column are not within their segment
     */
    @SuppressWarnings("EnumOrdinal") // functions are in the order of sources
    public void pack(
            MemorySegment parameters,
            Source source,
            int rows,
            int blocks,
            MemorySegment from,
            long fromAt,
            MemorySegment to,
            long toAt) {
        long rowBytes = (long) blocks * source.bytes;
        long columnBytes = (long) blocks * source.groupVectors() * VECTOR;
        if (rows < 1
                || rows > ROWS
                || blocks < 1
                || rowBytes > Integer.MAX_VALUE / ROWS
                || fromAt < 0
                || fromAt > from.byteSize() - rows * rowBytes
                || toAt < 0
                || toAt > to.byteSize() - columnBytes) {
            throw new IndexOutOfBoundsException("packing " + rows + " rows of " + blocks + " blocks of " + source + ": "
                    + fromAt + " of " + from.byteSize() + " bytes to " + toAt + " of " + to.byteSize());
        }
        parameters.set(JAVA_LONG, FROM, fromAt);
        parameters.set(JAVA_LONG, TO, toAt);
        parameters.set(JAVA_LONG, BLOCKS, blocks);
        parameters.set(JAVA_LONG, MASK, (1L << rows) - 1);
        for (int i = 0; i < ROWS; i++) {
            parameters.set(JAVA_INT, OFFSETS + i * (long) Integer.BYTES, (int) (i * rowBytes));
        }
        FunctionCall.call(code.entry(source.ordinal()), parameters, from, to);
    }

    @Override
    public void close() {
        code.close();
    }

    /** RSI a block of the first row, RDX its group of the column, RCX blocks left. */
    private record Writer(Assembler asm, Source source) {
        private static final Mask ROWS = Mask.K1;
        private static final Mask GATHERED = Mask.K2;
        private static final Vec HALVES = Vec.zmm(0);
        private static final Vec SCALE = Vec.zmm(1);
        private static final Vec MIN = Vec.zmm(2);
        private static final Vec TEMPORARY = Vec.zmm(3);

        private static final Vec OFFSET = Vec.zmm(31);
        private static final Vec ABSOLUTE = Vec.zmm(30);
        private static final Vec INFINITY = Vec.zmm(29);
        private static final Vec SIGNS = Vec.zmm(28);
        private static final Vec NIBBLES = Vec.zmm(27);
        private static final Vec BYTES = Vec.zmm(26);
        private static final Vec LOW = Vec.zmm(25);
        private static final Vec NAN = Vec.zmm(24);

        /** a OR b, whatever the third. */
        private static final int OR = 0xFC;

        private void load(Vec to, int bits) {
            asm.mov(RAX, bits);
            asm.vpbroadcastd(to, RAX);
        }

        void function() {
            load(ABSOLUTE, 0x7FFFFFFF);
            load(INFINITY, Float.floatToRawIntBits(Float.POSITIVE_INFINITY));
            load(NAN, Float.floatToRawIntBits(Float.NaN));
            load(SIGNS, 0x80808080);
            load(NIBBLES, 0x0F0F0F0F);
            load(BYTES, 0x00FF00FF);
            load(LOW, 0xFFFF);
            asm.op(VMOVUPS, OFFSET, at(RDI, OFFSETS));
            asm.add(RSI, at(RDI, FROM));
            asm.add(RDX, at(RDI, TO));
            asm.mov(RCX, at(RDI, BLOCKS));
            asm.mov(RAX, at(RDI, MASK));
            asm.kmovw(ROWS, RAX);
            Label block = asm.here();
            scales();
            int first = source.min ? 2 : 1;
            if (source.bits == 8) {
                for (int i = 0; i < 8; i++) {
                    gather(TEMPORARY, source.codesAt + i * Integer.BYTES);
                    asm.op(VPXORD, TEMPORARY, TEMPORARY, SIGNS);
                    asm.vprord(TEMPORARY, TEMPORARY, Integer.SIZE - 4);
                    asm.store(at(RDX, (first + i) * VECTOR), TEMPORARY, ROWS);
                }
            } else {
                for (int i = 0; i < 4; i++) {
                    gather(Vec.zmm(4 + i), source.codesAt + i * Integer.BYTES);
                }
                for (int i = 0; i < 4; i++) {
                    nibbles(Vec.zmm(8), Vec.zmm(4 + i % 2 * 2), i / 2 * 4);
                    nibbles(Vec.zmm(9), Vec.zmm(5 + i % 2 * 2), i / 2 * 4);
                    asm.vpslld(Vec.zmm(9), Vec.zmm(9), 16);
                    asm.vpternlogd(Vec.zmm(8), Vec.zmm(9), LOW, OR);
                    asm.vprord(Vec.zmm(8), Vec.zmm(8), Integer.SIZE - 8);
                    asm.store(at(RDX, (first + i) * VECTOR), Vec.zmm(8), ROWS);
                }
            }
            asm.add(RSI, source.bytes);
            asm.add(RDX, source.groupVectors() * VECTOR);
            asm.sub(RCX, 1);
            asm.j(Condition.NOT_EQUAL, block);
            asm.vzeroupper();
            asm.ret();
        }

        private void gather(Vec to, int displacement) {
            asm.kmovw(GATHERED, ROWS);
            asm.op(VPXORD, to, to, to);
            asm.vpgatherdd(to, GATHERED, RSI, OFFSET, displacement);
        }

        private void scales() {
            gather(HALVES, 0);
            half(SCALE, HALVES);
            notFinite(Mask.K3, SCALE);
            if (source.min) {
                asm.vpsrld(HALVES, HALVES, 16);
                half(MIN, HALVES);
                notFinite(Mask.K4, MIN);
                asm.op(VMOVAPS, SCALE, Mask.K4, NAN);
                asm.op(VMOVAPS, MIN, Mask.K4, NAN);
                asm.op(VMOVAPS, MIN, Mask.K3, NAN);
                asm.store(at(RDX, VECTOR), MIN, ROWS);
            }
            asm.op(VMOVAPS, SCALE, Mask.K3, NAN);
            asm.store(at(RDX), SCALE, ROWS);
        }

        private void half(Vec to, Vec from) {
            Vec words = Vec.ymm(to.number());
            asm.vpmovdw(words, from);
            asm.op(VCVTPH2PS, to, words);
        }

        /** Where the magnitude is not below infinity. */
        private void notFinite(Mask mask, Vec v) {
            asm.op(VPANDD, TEMPORARY, ABSOLUTE, v);
            asm.vcmpps(mask, TEMPORARY, Comparison.NOT_LESS, INFINITY);
        }

        /** Four low nibbles of what is right of {@code shift}, one after another in the lower half; anything above. */
        private void nibbles(Vec to, Vec from, int shift) {
            if (shift > 0) {
                asm.vpsrld(to, from, shift);
                asm.op(VPANDD, to, to, NIBBLES);
            } else {
                asm.op(VPANDD, to, from, NIBBLES);
            }
            together(to, 4, BYTES);
            together(to, 8, LOW);
        }

        private void together(Vec to, int shift, Vec mask) {
            asm.vpsrld(TEMPORARY, to, shift);
            asm.vpternlogd(to, TEMPORARY, TEMPORARY, OR);
            asm.op(VPANDD, to, to, mask);
        }
    }
}
