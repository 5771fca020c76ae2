package dev.gatun.ops.machine;

/**
 * A vector register.
 *
 * @param number 0 to 31; from 16 on with AVX-512 only
 * @param bytes 16 (xmm), 32 (ymm) or 64 (zmm)
 */
record Vec(int number, int bytes) implements Operand {
    Vec {
        if (number < 0 || number > 31 || bytes != 16 && bytes != 32 && bytes != 64) {
            throw new IllegalArgumentException("vector register " + number + " of " + bytes + " bytes: there is none");
        }
    }

    static Vec xmm(int number) {
        return new Vec(number, 16);
    }

    static Vec ymm(int number) {
        return new Vec(number, 32);
    }

    static Vec zmm(int number) {
        return new Vec(number, 64);
    }
}
