package dev.gatun.bench;

import dev.gatun.ops.Backend;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A library that can be compared.
 *
 * @param id its name in reports and on the command line of its process: limits, a {@link Backend.Kind}, netlib-java,
 *     netlib-jni, onnxruntime, llama.cpp, ctranslate2, or blas:PATH
 */
record EngineKind(String id) {
    /** The limits of the machine. */
    static final EngineKind LIMITS = new EngineKind("limits");

    /** The BLAS of Spark, in Java. */
    static final EngineKind NETLIB_JAVA = new EngineKind("netlib-java");

    /** The BLAS of Spark, through JNI. */
    static final EngineKind NETLIB_JNI = new EngineKind("netlib-jni");

    /** Microsoft's, which runs ONNX files. */
    static final EngineKind ONNX_RUNTIME = new EngineKind("onnxruntime");

    /** The peer of decoders, in a process that a script of bench/peers starts. */
    static final EngineKind LLAMA_CPP = new EngineKind("llama.cpp");

    /** The peer of encoder-decoders, likewise. */
    static final EngineKind CTRANSLATE2 = new EngineKind("ctranslate2");

    private static final String BLAS = "blas:";

    static EngineKind of(Backend.Kind kind) {
        return new EngineKind(kind.toString());
    }

    /** The backend openblas with another CBLAS. */
    static EngineKind blas(Path path) {
        return new EngineKind(BLAS + path);
    }

    /** What stands in a table: of a path the file's name. */
    String title() {
        Path file = blasPath();
        return file == null ? id : String.valueOf(file.getFileName());
    }

    private @Nullable Path blasPath() {
        return id.startsWith(BLAS) ? Path.of(id.substring(BLAS.length())) : null;
    }

    /** The backend of a name. */
    static Backend.Kind backend(String name) {
        return Backend.Kind.valueOf(name.toUpperCase(Locale.ROOT));
    }

    /** Whether it picks among the others, rather than computes itself. */
    boolean picks() {
        return equals(of(Backend.Kind.AUTO));
    }

    /**
     * Opens it in this JVM.
     *
     * @throws RuntimeException if it is not there; the message says why
     */
    Library open(int threads) {
        if (equals(LIMITS)) {
            return new MachineLibrary();
        }
        if (equals(NETLIB_JAVA) || equals(NETLIB_JNI)) {
            return new NetlibLibrary(equals(NETLIB_JNI));
        }
        if (equals(ONNX_RUNTIME)) {
            return new OnnxRuntimeLibrary(threads);
        }
        Path blas = blasPath();
        Backend.Kind kind = blas != null ? Backend.Kind.OPENBLAS : backend(id);
        return new GatunLibrary(new Backend.Options(kind, threads, blas));
    }
}
