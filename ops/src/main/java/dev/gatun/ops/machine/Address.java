package dev.gatun.ops.machine;

import org.jspecify.annotations.Nullable;

/**
 * Memory at base + index &middot; scale + displacement.
 *
 * @param index null for none; never RSP, which has no encoding as an index
 * @param scale 1, 2, 4 or 8
 * @param broadcast whether a vector instruction reads one element here and has it in all lanes (AVX-512)
 */
record Address(Gpr base, @Nullable Gpr index, int scale, int displacement, boolean broadcast) implements Operand {
    Address {
        if (index == Gpr.RSP || Integer.bitCount(scale) != 1 || scale > 8) {
            throw new IllegalArgumentException("address: index " + index + " times " + scale + " has no encoding");
        }
    }

    /** The memory that {@code base} points to. */
    static Address at(Gpr base) {
        return new Address(base, null, 1, 0, false);
    }

    static Address at(Gpr base, int displacement) {
        return new Address(base, null, 1, displacement, false);
    }

    static Address at(Gpr base, Gpr index, int scale) {
        return new Address(base, index, scale, 0, false);
    }

    /** {@code more} bytes further. */
    Address plus(int more) {
        return new Address(base, index, scale, displacement + more, broadcast);
    }

    /** One element here, in all lanes. */
    Address toAllLanes() {
        return new Address(base, index, scale, displacement, true);
    }
}
