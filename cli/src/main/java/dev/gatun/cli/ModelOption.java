package dev.gatun.cli;

import dev.gatun.model.weights.ModelFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import picocli.CommandLine.Model.OptionSpec;

/** The option that names a model of texts: a folder, or one that comes as a jar. */
public final class ModelOption {
    private ModelOption() {}

    static OptionSpec spec(String description) {
        return CommonOptions.option("--model", "NAME|DIR", String.class, description);
    }

    /**
     * The folder of the model that {@code gatun embed} uses unless another is asked for.
     *
     * @throws Failure if its jar is not on the class path
     * @throws IOException if it cannot be taken out
     */
    public static ModelFolder byDefault() throws IOException {
        return named(NamedModel.DEFAULT);
    }

    /** The folder of the model that is asked for, by default {@link NamedModel#DEFAULT}. */
    static ModelFolder folder(Invocation invocation) throws IOException {
        String asked = invocation.option("--model", String.class);
        return named(asked == null ? NamedModel.DEFAULT : asked);
    }

    private static ModelFolder named(String name) throws IOException {
        NamedModel named = NamedModel.of(name);
        return named != null ? named.folder() : path(name);
    }

    /** The folder that has to be given. */
    static ModelFolder required(Invocation invocation, String command) throws IOException {
        String name = invocation.option("--model", String.class);
        if (name == null) {
            throw new Failure(command + ": no model; give its folder with --model DIR");
        }
        return path(name);
    }

    private static ModelFolder path(String name) throws IOException {
        try {
            Path path = Path.of(name);
            if (!Files.exists(path)) {
                throw new Failure("--model " + name + ": no such folder, and no model of that name; there are "
                        + NamedModel.names());
            }
            return ModelFolder.of(path);
        } catch (InvalidPathException e) {
            throw new Failure("--model " + name + ": " + e.getReason(), e);
        }
    }
}
