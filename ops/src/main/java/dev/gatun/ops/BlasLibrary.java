package dev.gatun.ops;

import dev.gatun.openblas.Blas;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A BLAS that is loaded when it is first asked for, once; that it can't be is said each time. */
final class BlasLibrary implements Supplier<Blas> {
    private final Supplier<Blas> loader;
    private volatile @Nullable Blas loaded;

    BlasLibrary(Supplier<Blas> loader) {
        this.loader = loader;
    }

    /** @throws BackendUnavailableException if it can't be loaded */
    @Override
    public Blas get() {
        Blas there = loaded;
        return there != null ? there : load();
    }

    private synchronized Blas load() {
        Blas there = loaded;
        if (there == null) {
            there = loader.get();
            loaded = there;
        }
        return there;
    }
}
