package dev.gatun.ops.machine;

import java.util.ArrayList;
import java.util.List;

/** A place in the code that jumps lead to, before or after it is {@linkplain Assembler#bind bound}. */
final class Label {
    /** Offset in the code; -1 until it is bound. */
    int at = -1;

    /** Offsets of the 32-bit distances that wait for it. */
    final List<Integer> waiting = new ArrayList<>();
}
