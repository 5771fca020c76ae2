package dev.gatun.ops.internal;

import java.lang.foreign.MemorySegment;

/** Tells C2 what the kernels know of their segments. */
final class OffHeap {
    /** The class of native segments, and the superclass of mapped ones. */
    private static final Class<? extends MemorySegment> NATIVE = MemorySegment.NULL.getClass();

    private OffHeap() {}

    /**
     * The same segment, which is not on the heap. C2 learns from the cast that an access has no base object; without it C2 must
     * go by what the JDK's own code has ever seen, and the Vector API's interpreted reinterpretAsInts makes heap segments.
     * Then every access dispatches and checks anew and no loop is unrolled: a scaled row in L1 went from 20 to 165 GB/s.
     *
     * @throws ClassCastException if the segment is on the heap
     */
    static MemorySegment of(MemorySegment segment) {
        return NATIVE.cast(segment);
    }
}
