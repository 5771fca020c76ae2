package dev.gatun.model;

import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.text.GgufTokenizer;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.JsonStrings;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.ModelPacker;
import dev.gatun.model.weights.ModelPacker.Loaded;
import dev.gatun.model.weights.OnnxModel;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes a model into one file that is mapped when it is opened: no weight is packed or copied, and all processes of a host share its
 * pages. It is opened as a folder is, {@link ModelFolder#of}, with every backend; it holds weights in the layout of this computer's
 * vectors, and as they were for OpenBLAS, so it is about twice as large.
 */
public final class PackedModel {
    private static final int TOKENS = 1 << 20;

    private PackedModel() {}

    /**
     * Packs a GGUF file or a model's folder. The file is there as a whole or not at all.
     *
     * @param out the file; one that is there is replaced
     * @param format that weights get, if they are not in blocks already
     * @throws IOException if a file cannot be read or written
     * @throws ModelFormatException if the model's files break their format, do not fit together, or are packed already
     */
    public static void write(Path model, Path out, WeightFormat format) throws IOException {
        if (!Files.isRegularFile(model)) {
            write(ModelFolder.of(model), out, format);
            return;
        }
        if (ModelFolder.isPacked(model)) {
            throw new ModelFormatException(model + ": a packed model already");
        }
        try (Backend backend = Backend.openForLayout();
                GgufModel file = GgufModel.open(model)) {
            Map<String, String> texts = texts(file);
            ModelPacker.pack(
                    null,
                    texts,
                    () -> {
                        DecoderModel loaded = DecoderModel.load(file, backend, format);
                        return new Loaded(loaded.weights(), loaded::close);
                    },
                    out);
        }
    }

    /** As {@link #write(Path, Path, WeightFormat)}, of a folder. */
    public static void write(ModelFolder folder, Path out, WeightFormat format) throws IOException {
        try (Backend backend = Backend.openForLayout()) {
            Map<String, String> texts = new LinkedHashMap<>();
            if (folder.has(OnnxModel.FILE) && !folder.has("model.safetensors")) {
                OnnxModel onnx = OnnxModel.open(folder);
                onnx.weights().close();
                texts.put("config.json", onnx.config().toJson());
            }
            ModelPacker.pack(folder, texts, () -> load(folder, backend, format), out);
        }
    }

    private static Loaded load(ModelFolder folder, Backend backend, WeightFormat format) throws IOException {
        String type = folder.has("config.json")
                ? JsonConfig.read(folder, "config.json").optionalString("model_type", "")
                : "";
        if (DecoderModel.families().contains(type)) {
            DecoderModel model = DecoderModel.load(folder, backend, format);
            return new Loaded(model.weights(), model::close);
        }
        if (format != WeightFormat.AS_STORED) {
            throw new ModelFormatException(folder.name() + ": only weights of decoders can become " + format);
        }
        if (type.isEmpty() || EncoderModel.types().contains(type)) {
            EncoderModel model = folder.has("modules.json")
                    ? EncoderModel.loadSentence(folder, backend)
                    : EncoderModel.load(folder, backend);
            return new Loaded(model.weights(), model::close);
        }
        Seq2SeqModel model = Seq2SeqModel.load(folder, backend);
        return new Loaded(model.weights(), model::close);
    }

    /** What a folder would have beside the weights. */
    private static Map<String, String> texts(GgufModel file) throws IOException {
        Map<String, String> texts = new LinkedHashMap<>();
        texts.put("config.json", file.config().toJson());
        if (!file.file().has("tokenizer.ggml.model")) {
            return texts;
        }
        texts.put(HuggingFaceTokenizer.FILE, GgufTokenizer.json(file.file()));
        var config = new StringBuilder("{");
        try (HuggingFaceTokenizer tokenizer = GgufTokenizer.open(file.file(), TOKENS)) {
            for (String name : new String[] {"bos_token", "eos_token"}) {
                long id = file.file().optionalInt("tokenizer.ggml." + name + "_id", -1);
                if (id >= 0) {
                    config.append('"').append(name).append("\":");
                    JsonStrings.appendQuoted(tokenizer.decodeAll((int) id), config);
                    config.append(',');
                }
            }
        }
        config.append("\"chat_template\":");
        String template = file.file().optionalString("tokenizer.chat_template", "");
        if (template.isEmpty()) {
            config.append("null");
        } else {
            JsonStrings.appendQuoted(template, config);
        }
        texts.put("tokenizer_config.json", config.append('}').toString());
        return texts;
    }
}
