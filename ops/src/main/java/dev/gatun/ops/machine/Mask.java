package dev.gatun.ops.machine;

import java.util.List;

/** An AVX-512 mask register. As an operand that masks, {@link #K0} means no mask. */
enum Mask {
    K0(0),
    K1(1),
    K2(2),
    K3(3),
    K4(4),
    K5(5),
    K6(6),
    K7(7);

    private static final List<Mask> BY_NUMBER = List.of(values());

    private final int number;

    Mask(int number) {
        this.number = number;
    }

    /** The register of a number from 0 to 7. */
    static Mask of(int number) {
        return BY_NUMBER.get(number);
    }

    int number() {
        return number;
    }
}
