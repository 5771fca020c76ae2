package dev.gatun.ops;

import dev.gatun.ops.Backend.Kind;
import java.util.ArrayList;
import java.util.List;

/** The kinds of backend that promise the same bits. */
final class ExactKinds {
    private ExactKinds() {}

    /** All that are to be had here. */
    static List<Kind> all() {
        List<Kind> kinds = new ArrayList<>(List.of(Kind.SCALAR));
        kinds.addAll(kernels());
        return kinds;
    }

    /** And OpenBLAS, whose results are near. */
    static List<Kind> andOpenBlas() {
        List<Kind> kinds = new ArrayList<>(all());
        kinds.add(Kind.OPENBLAS);
        return kinds;
    }

    /** Those with kernels of their own; says so where machine code can't be run. */
    static List<Kind> kernels() {
        try (Backend _ = Backend.open(new Backend.Options(Kind.MACHINE, 1, null))) {
            return List.of(Kind.VECTOR, Kind.MACHINE);
        } catch (BackendUnavailableException e) {
            System.err.println("tests run without the machine backend: " + e.getMessage());
            return List.of(Kind.VECTOR);
        }
    }
}
