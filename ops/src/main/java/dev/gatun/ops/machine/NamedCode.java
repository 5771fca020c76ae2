package dev.gatun.ops.machine;

import java.util.ArrayList;
import java.util.List;

/** Functions being written one after another, each with a name for whoever looks for it in a profile or after a crash. */
final class NamedCode {
    private static final int ALIGNMENT = 64;

    /** A function and where it begins. */
    record Function(String name, int at) {}

    private final String name;
    private final Assembler asm = new Assembler();
    private final List<Function> functions = new ArrayList<>();

    /** None yet. {@code name} is what they are for, in letters, digits and blanks. */
    NamedCode(String name) {
        this.name = name;
    }

    String name() {
        return name;
    }

    /** What to write the next function with. */
    Assembler begin(String function) {
        asm.align(ALIGNMENT);
        functions.add(new Function(name + " " + function, asm.size()));
        return asm;
    }

    byte[] bytes() {
        return asm.code();
    }

    List<Function> functions() {
        return List.copyOf(functions);
    }
}
