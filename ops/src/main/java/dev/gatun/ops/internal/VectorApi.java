package dev.gatun.ops.internal;

import java.lang.reflect.InvocationTargetException;
import jdk.incubator.vector.FloatVector;

/**
 * The JDK's Vector API: a module in incubation, so a JVM has it if it was started with {@code --add-modules}, or where it exports
 * {@code java.base/jdk.internal.module} to us: then it is loaded here, by what loads the module of an agent. Machine code needs none of it, and a JVM that
 * starts without an incubating module starts sooner and without a warning.
 */
public final class VectorApi {
    private static final String MODULE = "jdk.incubator.vector";

    private VectorApi() {}

    /** Whether its classes are there. */
    public static boolean isThere() {
        try {
            Class.forName(MODULE + ".Vector", false, VectorApi.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    /**
     * Loads it if it is not there: before the first class that needs it is linked.
     *
     * @throws IllegalStateException if this JVM has to be told to
     */
    public static void load() {
        if (isThere()) {
            return;
        }
        try {
            var module = (Module) Class.forName("jdk.internal.module.Modules")
                    .getMethod("loadModule", String.class)
                    .invoke(null, MODULE);
            VectorApi.class.getModule().addReads(module);
        } catch (ReflectiveOperationException e) {
            Throwable cause = e instanceof InvocationTargetException ? e.getCause() : e;
            throw new IllegalStateException(
                    "the vector kernels need the module " + MODULE + ": start this Java (" + Runtime.version()
                            + ") with --add-modules " + MODULE,
                    cause);
        }
    }

    /** Bits of the vectors that the JVM computes with best on this CPU; 64 if with none. It must be there. */
    public static int preferredBits() {
        return FloatVector.SPECIES_PREFERRED.vectorBitSize();
    }
}
