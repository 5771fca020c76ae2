package dev.gatun.model;

import dev.gatun.model.generate.Seq2SeqModel;
import dev.gatun.model.marian.Marian;
import dev.gatun.model.vaswani.Vaswani;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.Map;
import java.util.TreeSet;

/** Loads a model by the {@code model_type} of its config.json. */
public final class Models {
    private interface Family {
        Seq2SeqModel load(ModelFolder folder, JsonConfig config, Backend backend) throws IOException;
    }

    private static final Map<String, Family> FAMILIES = Map.of("marian", Marian::load, "vaswani", Vaswani::load);

    private Models() {}

    /**
     * Loads an encoder-decoder; the caller closes it, before the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if the type is unknown, or files break their format or do not fit together
     */
    public static Seq2SeqModel loadSeq2Seq(ModelFolder folder, Backend backend) throws IOException {
        JsonConfig config = JsonConfig.read(folder, "config.json");
        String type = config.requireString("model_type");
        Family family = FAMILIES.get(type);
        if (family == null) {
            throw new ModelFormatException(
                    config.file() + ": model_type \"" + type + "\" is not one of " + new TreeSet<>(FAMILIES.keySet()));
        }
        return family.load(folder, config, backend);
    }
}
