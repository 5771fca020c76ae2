package dev.gatun.cli;

import dev.gatun.cli.hub.Hub;
import dev.gatun.cli.hub.HubException;
import dev.gatun.cli.hub.HubName;
import dev.gatun.cli.hub.HubOptions;
import dev.gatun.model.ModelPlan;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.OptionSpec;

/** The option that names a model: a file or folder, one of the Hugging Face Hub, or for embeddings one that comes as a jar. */
public final class ModelOption {
    private ModelOption() {}

    static OptionSpec spec(String description) {
        return CommonOptions.option(
                "--model", "NAME|PATH", String.class, description + "; or org/name, from the Hugging Face Hub");
    }

    /**
     * The folder of the model that {@code gatun embed} uses unless another is asked for.
     *
     * @throws Failure if its jar is not on the class path
     * @throws IOException if it cannot be taken out
     */
    public static ModelFolder byDefault() throws IOException {
        return Objects.requireNonNull(NamedModel.of(NamedModel.DEFAULT)).folder();
    }

    /** The folder of the model that is asked for, by default {@link NamedModel#DEFAULT}. */
    static ModelFolder folder(Invocation invocation) throws IOException {
        String asked = invocation.option("--model", String.class);
        if (asked == null) {
            return byDefault();
        }
        NamedModel named = NamedModel.of(asked);
        return named != null ? named.folder() : existing(asked, invocation);
    }

    /** The folder that has to be given. */
    static ModelFolder required(Invocation invocation, String command) throws IOException {
        String name = invocation.option("--model", String.class);
        if (name == null) {
            throw new Failure(command + ": no model; give its folder, or its name on the Hub, with --model");
        }
        return existing(name, invocation);
    }

    /**
     * Where the model is that is asked for, downloaded if it has to be; null if none is asked for.
     *
     * @throws IOException if the Hub does not give it; a path need not exist
     */
    static @Nullable Path path(Invocation invocation) throws IOException {
        String name = invocation.option("--model", String.class);
        return name == null ? null : path(name, invocation);
    }

    /** The folder of a model that comes as a jar; null of any other name. */
    static @Nullable ModelFolder named(String name) throws IOException {
        NamedModel named = NamedModel.of(name);
        return named == null ? null : named.folder();
    }

    /** Plans the model of a name or path. */
    static ModelPlan plan(String name, Invocation invocation, Backend backend, WeightFormat format) throws IOException {
        ModelFolder named = named(name);
        return named != null
                ? ModelPlan.open(named, backend, format)
                : ModelPlan.open(path(name, invocation), backend, format);
    }

    private static ModelFolder existing(String name, Invocation invocation) throws IOException {
        Path path = path(name, invocation);
        if (!Files.exists(path)) {
            throw new Failure(
                    "--model " + name + ": no such folder, and no model of that name; there are " + NamedModel.names());
        }
        return ModelFolder.of(path);
    }

    /** Where a model is, downloaded if it has to be; throws as {@link #path(Invocation)}. */
    static Path path(String name, Invocation invocation) throws IOException {
        Path path;
        try {
            path = Path.of(name);
        } catch (InvalidPathException e) {
            throw new Failure("--model " + name + ": " + e.getReason(), e);
        }
        HubName onHub = Files.exists(path) ? null : HubName.of(name);
        if (onHub == null) {
            return path;
        }
        HubOptions options = HubOptions.of(System.getenv(), Path.of(System.getProperty("user.home")));
        try (Hub hub = new Hub(options, new DownloadProgress(invocation.log()))) {
            return hub.fetch(onHub);
        } catch (HubException e) {
            throw new Failure("--model " + name + ": no such path here; " + e.getMessage(), e);
        }
    }
}
