package dev.gatun.ops.machine;

/**
 * The vector instructions that the kernels use, as the manual's opcode column has them: the mandatory prefix (0 none, 1 66, 2 F3,
 * 3 F2), the opcode map (1 0F, 2 0F38, 3 0F3A), W and the opcode.
 */
enum VectorInstruction {
    VADDPS(0, 1, 0, 0x58, Tuple.FULL),
    VSQRTPS(0, 1, 0, 0x51, Tuple.FULL),
    VMULPS(0, 1, 0, 0x59, Tuple.FULL),
    VSUBPS(0, 1, 0, 0x5C, Tuple.FULL),
    VMINPS(0, 1, 0, 0x5D, Tuple.FULL),
    VDIVPS(0, 1, 0, 0x5E, Tuple.FULL),
    VMAXPS(0, 1, 0, 0x5F, Tuple.FULL),
    VCVTDQ2PS(0, 1, 0, 0x5B, Tuple.FULL),
    VFMADD132PS(1, 2, 0, 0x98, Tuple.FULL),
    VFMADD213PS(1, 2, 0, 0xA8, Tuple.FULL),
    VFMADD231PS(1, 2, 0, 0xB8, Tuple.FULL),
    VFMSUB213PS(1, 2, 0, 0xAA, Tuple.FULL),
    VFNMADD231PS(1, 2, 0, 0xBC, Tuple.FULL),
    VPADDD(1, 1, 0, 0xFE, Tuple.FULL),
    VPSUBD(1, 1, 0, 0xFA, Tuple.FULL),
    /** The larger of two signed 32-bit lanes. */
    VPMAXSD(1, 2, 0, 0x3D, Tuple.FULL),
    /** In VEX encoding VPXOR, which does the same. */
    VPXORD(1, 1, 0, 0xEF, Tuple.FULL),
    /** In VEX encoding VPAND. */
    VPANDD(1, 1, 0, 0xDB, Tuple.FULL),
    /** Four products of an unsigned and a signed byte, summed into a lane. AVX512_VNNI or AVX_VNNI. */
    VPDPBUSD(1, 2, 0, 0x50, Tuple.FULL),
    /** Two products of BF16, summed into a lane. AVX512_BF16. */
    VDPBF16PS(2, 2, 0, 0x52, Tuple.FULL),
    /** By three operands' bits into a table of eight, an immediate byte that follows. */
    VPTERNLOGD(1, 3, 0, 0x25, Tuple.FULL),
    VPSHUFB(1, 2, 0, 0x00, Tuple.WHOLE),
    /** Lanes 0 and 1 of each four, of one and the other by turns. */
    VUNPCKLPS(0, 1, 0, 0x14, Tuple.FULL),
    /** Lanes 2 and 3 of each four. */
    VUNPCKHPS(0, 1, 0, 0x15, Tuple.FULL),
    /** Two lanes of each four, by an immediate byte that follows, and two of the other. */
    VSHUFPS(0, 1, 0, 0xC6, Tuple.FULL),
    /** Four lanes, to the place of an immediate byte that follows. */
    VINSERTF32X4(1, 3, 0, 0x18, Tuple.QUARTER),
    VPERMD(1, 2, 0, 0x36, Tuple.FULL),
    VPERMPS(1, 2, 0, 0x16, Tuple.FULL),
    VMOVUPS(0, 1, 0, 0x10, Tuple.WHOLE),
    /** Between registers. */
    VMOVAPS(0, 1, 0, 0x28, Tuple.WHOLE),
    VBROADCASTSS(1, 2, 0, 0x18, Tuple.FLOAT),
    VPBROADCASTD(1, 2, 0, 0x58, Tuple.FLOAT),
    /** Four floats of memory in each quarter. AVX-512. */
    VBROADCASTF32X4(1, 2, 0, 0x1A, Tuple.QUARTER),
    VPMOVZXBD(1, 2, 0, 0x31, Tuple.QUARTER),
    VPMOVSXBD(1, 2, 0, 0x21, Tuple.QUARTER),
    VPMOVZXWD(1, 2, 0, 0x33, Tuple.HALF),
    /** 32-bit lanes to 64 bits, zeros above. */
    VPMOVZXDQ(1, 2, 0, 0x35, Tuple.HALF),
    VCVTPH2PS(1, 2, 0, 0x13, Tuple.HALF);

    /** What memory an operand is: it scales an 8-bit displacement in EVEX encoding. */
    enum Tuple {
        /** As many bytes as the register has, or one float broadcast. */
        FULL,
        /** As many bytes as the register has. */
        WHOLE,
        HALF,
        QUARTER,
        /** 4 bytes. */
        FLOAT;

        int bytes(int vectorBytes, boolean broadcast) {
            return switch (this) {
                case FULL -> broadcast ? Float.BYTES : vectorBytes;
                case WHOLE -> vectorBytes;
                case HALF -> vectorBytes / 2;
                case QUARTER -> vectorBytes / 4;
                case FLOAT -> Float.BYTES;
            };
        }
    }

    final int prefix;
    final int map;
    final int w;
    final int opcode;
    final Tuple tuple;

    VectorInstruction(int prefix, int map, int w, int opcode, Tuple tuple) {
        this.prefix = prefix;
        this.map = map;
        this.w = w;
        this.opcode = opcode;
        this.tuple = tuple;
    }
}
