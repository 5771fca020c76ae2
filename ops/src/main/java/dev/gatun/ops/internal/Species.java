package dev.gatun.ops.internal;

import java.nio.ByteOrder;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** The one vector shape of the process, of {@link VectorWidth}. */
final class Species {
    static final VectorSpecies<Float> FLOATS =
            VectorSpecies.of(float.class, VectorShape.forBitSize(VectorWidth.LANES * Float.SIZE));
    static final VectorSpecies<Integer> INTS = FLOATS.withLanes(int.class);
    /** Floats in a vector: 4, 8 or 16. */
    static final int LANES = VectorWidth.LANES;

    /** Bytes in a vector. */
    static final long BYTES = VectorWidth.BYTES;

    /** Each lane 8 further on, around the end; where a vector has no more than 8, itself. */
    static final VectorShuffle<Float> ROTATE_8 = VectorShuffle.iota(FLOATS, 8 % LANES, 1, true);
    /** Likewise 4. */
    static final VectorShuffle<Float> ROTATE_4 = VectorShuffle.iota(FLOATS, 4 % LANES, 1, true);

    static final ByteOrder ORDER = ByteOrder.nativeOrder();

    private Species() {}
}
