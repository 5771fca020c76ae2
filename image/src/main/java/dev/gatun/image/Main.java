package dev.gatun.image;

import java.lang.reflect.InvocationTargetException;

/**
 * Starts the command line where {@code java -jar} does. A jar's manifest can allow native access, but cannot add a module, and where the
 * JVM is told to add one that incubates it prints a warning that nothing turns off. So the Vector API is loaded here, before the first
 * class that needs it, by what the JVM itself loads an agent's module with. That is internal to the JDK, and the manifest asks to use
 * it ({@code Add-Exports}); where a JDK has it no more, a line says which option to start with.
 */
public final class Main {
    private static final String VECTORS = "jdk.incubator.vector";

    private Main() {}

    /** As the command line's own. */
    public static void main(String[] args) {
        loadVectors();
        dev.gatun.cli.Main.main(args);
    }

    static void loadVectors() {
        if (ModuleLayer.boot().findModule(VECTORS).isEmpty()) {
            try {
                Class.forName("jdk.internal.module.Modules")
                        .getMethod("loadModule", String.class)
                        .invoke(null, VECTORS);
            } catch (ReflectiveOperationException e) {
                Throwable cause = e instanceof InvocationTargetException ? e.getCause() : e;
                System.err.println("gatun: this Java (" + Runtime.version() + ") cannot load " + VECTORS
                        + " by itself; start it with --add-modules " + VECTORS + ": " + cause);
                System.exit(2);
            }
        }
    }
}
