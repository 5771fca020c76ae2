package dev.gatun.model;

import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.BackendUnavailableException;
import java.util.stream.Stream;

/** The kinds of backend that each compute on their own. */
public final class Kinds {
    private Kinds() {}

    /** All that are to be had here; says so where machine code can't be run. */
    public static Stream<Kind> all() {
        Stream<Kind> always = Stream.of(Kind.OPENBLAS, Kind.VECTOR, Kind.SCALAR);
        try (Backend _ = Backend.open(new Backend.Options(Kind.MACHINE, 1, null))) {
            return Stream.concat(always, Stream.of(Kind.MACHINE));
        } catch (BackendUnavailableException e) {
            System.err.println("tests run without the machine backend: " + e.getMessage());
            return always;
        }
    }
}
