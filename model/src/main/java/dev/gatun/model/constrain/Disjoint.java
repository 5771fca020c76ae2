package dev.gatun.model.constrain;

import dev.gatun.model.constrain.SchemaParts.Part;
import java.util.Collections;
import java.util.List;
import java.util.Set;

/**
 * Shows that alternatives of a {@code oneOf} exclude each other, so that a value of one is none of another: by type, by their values,
 * or by a property that both require.
 */
final class Disjoint {
    /** Properties within properties that are looked at. */
    private static final int MAX_DEPTH = 3;

    private final SchemaParts schemaParts;

    Disjoint(SchemaParts schemaParts) {
        this.schemaParts = schemaParts;
    }

    void check(String path, int first, List<Part> one, int second, List<Part> other) {
        if (!disjoint(new Facts(one, path), new Facts(other, path), 0)) {
            throw new ConstraintException(SchemaParts.at(path) + "a value may be of alternatives " + first + " and "
                    + second
                    + " both, which oneOf forbids and a grammar cannot: use anyOf, or tell them apart by type or"
                    + " by the const of a required property");
        }
    }

    private boolean disjoint(Facts one, Facts other, int depth) {
        return excludes(one, other, depth) && excludes(other, one, depth);
    }

    /** Whether what is made for {@code one} never meets {@code other}. */
    private boolean excludes(Facts one, Facts other, int depth) {
        if (one.values != null && other.values != null) {
            return Collections.disjoint(one.values, other.values);
        }
        for (Facts.Type type : Facts.Type.values()) {
            boolean made = one.values == null
                    ? one.meant.contains(type)
                    : one.values.stream().anyMatch(value -> Facts.typeOf(value) == type);
            boolean taken = other.values == null
                    ? other.types.contains(type)
                    : other.values.stream().anyMatch(value -> Facts.typeOf(value) == type);
            if (made && taken && !(type == Facts.Type.OBJECT && objectsDiffer(one, other, depth))) {
                return false;
            }
        }
        return true;
    }

    private boolean objectsDiffer(Facts one, Facts other, int depth) {
        if (depth == MAX_DEPTH || one.values != null || other.values != null) {
            return false;
        }
        Set<String> required = one.required();
        for (String name : other.required()) {
            if (required.contains(name) && valuesDiffer(one, other, name, depth)) {
                return true;
            }
        }
        return false;
    }

    private boolean valuesDiffer(Facts one, Facts other, String name, int depth) {
        for (List<Part> a : schemaParts.alternatives(one.property(name))) {
            for (List<Part> b : schemaParts.alternatives(other.property(name))) {
                if (!disjoint(new Facts(a, one.path), new Facts(b, other.path), depth + 1)) {
                    return false;
                }
            }
        }
        return true;
    }
}
