package dev.gatun.cli.serve;

import dev.gatun.cli.serve.ServedModel.Scores;
import dev.gatun.cli.serve.ServedModel.Texts;
import dev.gatun.cli.serve.ServedModel.Translations;
import dev.gatun.cli.serve.ServedModel.Vectors;
import dev.gatun.cli.serve.engine.EmbeddingEngine;
import dev.gatun.cli.serve.engine.Gate;
import dev.gatun.cli.serve.engine.TextEngine;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.model.Reranker;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.Translator;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.encoder.Task;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.template.ChatTemplate;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Opens models to be served, each for what it can do.
 *
 * @param backend computes
 * @param meters is told of them
 * @param texts that a model of texts writes at once
 * @param nCtx tokens of a text; a model may have fewer
 * @param positions of tokens that the cache of a model of texts has; 0 for four texts of {@code nCtx}
 * @param waiting requests that wait for a model at most
 * @param format of a decoder's weights
 * @param cache how a decoder's keys and values are kept
 * @param template a chat template that is used instead of a model's own, or null
 */
public record ModelLoader(
        Backend backend,
        Meters meters,
        int texts,
        int nCtx,
        int positions,
        int waiting,
        WeightFormat format,
        CacheSettings cache,
        @Nullable String template) {
    private static final int DEFAULT_TEXTS = 4;
    private static final int WAITING_TOKENS = 1 << 20;

    /**
     * Opens a model.
     *
     * @param name what clients call it
     * @param path a GGUF file or a folder
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format, or the model does nothing that is served
     */
    public ServedModel open(String name, Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            return texts(name, path);
        }
        ModelFolder folder = ModelFolder.of(path);
        if (!folder.has("config.json")) { // an ONNX export says all in its graph
            return openVectors(name, folder);
        }
        JsonConfig config = JsonConfig.read(folder, "config.json");
        String type = config.requireString("model_type");
        if (DecoderModel.families().contains(type)) {
            return texts(name, path);
        }
        if (!EncoderModel.types().contains(type)) {
            return translations(name, Translator.open(folder, backend));
        }
        return Task.of(config) == Task.CLASSIFY
                ? new Scores(name, Reranker.open(folder, backend), new Gate(backend.threads(), waiting))
                : openVectors(name, folder);
    }

    /** Opens the translator that comes with us. */
    public ServedModel openDemo(String name) throws IOException {
        return translations(name, Translator.openDemo(backend));
    }

    private ServedModel translations(String name, Translator translator) {
        return new Translations(name, translator, new Gate(backend.threads(), waiting));
    }

    /** Opens a folder to make vectors of texts; throws as {@link #open}. */
    public ServedModel openVectors(String name, ModelFolder folder) throws IOException {
        TextEmbedder embedder = TextEmbedder.open(folder, backend);
        offHeap(name, embedder.plan(embedder.maxTokens()));
        return new Vectors(name, embedder, EmbeddingEngine.start(name, embedder, WAITING_TOKENS));
    }

    private ServedModel texts(String name, Path path) throws IOException {
        TextGenerator generator = TextGenerator.open(path, backend, format, cache);
        try {
            int ctx = Math.min(nCtx, generator.decoder().config().nPositions());
            long cached = positions > 0 ? positions : (long) DEFAULT_TEXTS * ctx;
            int most = (int) Math.min(cached, (long) texts * ctx);
            var size = new TextEngine.Size(texts, ctx, Math.max(ctx, most), waiting);
            ChatTemplate chat = template == null ? generator.chatTemplate() : generator.chatTemplate(template);
            offHeap(name, generator.decoder().plan(size.session(), cache));
            TextEngine engine = TextEngine.start(name, generator, size, meters.observer(name));
            return new Texts(name, generator, engine, chat);
        } catch (Throwable e) {
            generator.close();
            throw e;
        }
    }

    private void offHeap(String model, MemoryPlan plan) {
        for (MemoryPlan.Item item : plan.items()) {
            meters.offHeap(model, item.name(), item.bytes());
        }
    }
}
