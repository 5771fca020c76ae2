package dev.gatun.model;

import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.RowFormat;
import dev.gatun.model.decoder.Decoder;
import dev.gatun.model.decoder.DecoderModel;
import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.AudioInput;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.weights.GgufModel;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * What a model and a session with it will take, to the byte, before anything is allocated: files are mapped and their headers read, no
 * weight is. Whoever opened it closes it, before the backend.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var plan = ModelPlan.open(Path.of("SmolLM2-135M-Instruct.Q4_1.gguf"), backend, WeightFormat.AS_STORED)) {
 *     System.out.println(plan.at(8192, 1, 1));
 * }
 * }</pre>
 *
 * <p>The plan has what Gatun allocates or maps; the JVM itself, its heap, and the vocabulary in the tokenizer's library come on top.
 */
public final class ModelPlan implements AutoCloseable {
    private interface Kind extends AutoCloseable {
        MemoryPlan at(int ctx, int batch, int beams, RowFormat cache);

        int positions();

        @Override
        void close();
    }

    private final Kind kind;

    private ModelPlan(Kind kind) {
        this.kind = kind;
    }

    /**
     * Reads the headers of a GGUF file or of a model's folder.
     *
     * @param backend with which the model would be opened
     * @param format in which weights would be kept
     * @throws IOException if a file is missing or cannot be read
     * @throws dev.gatun.model.weights.ModelFormatException if files break their format or do not fit together
     */
    public static ModelPlan open(Path model, Backend backend, WeightFormat format) throws IOException {
        if (!Files.isRegularFile(model) || ModelFolder.isPacked(model)) {
            return open(ModelFolder.of(model), backend, format);
        }
        try (GgufModel file = GgufModel.open(model)) {
            return new ModelPlan(new OfDecoder(DecoderModel.load(file, backend.forPlanning(), format)));
        }
    }

    /** As {@link #open(Path, Backend, WeightFormat)}, of a folder. */
    public static ModelPlan open(ModelFolder folder, Backend backend, WeightFormat format) throws IOException {
        Backend planning = backend.forPlanning();
        String type = folder.has("config.json")
                ? JsonConfig.read(folder, "config.json").optionalString("model_type", "")
                : "";
        if (DecoderModel.families().contains(type)) {
            return new ModelPlan(new OfDecoder(DecoderModel.load(folder, planning, format)));
        }
        if (type.isEmpty() || EncoderModel.types().contains(type)) {
            return new ModelPlan(new OfEncoder(
                    folder.has("modules.json")
                            ? EncoderModel.loadSentence(folder, planning)
                            : EncoderModel.load(folder, planning)));
        }
        return new ModelPlan(new OfSeq2Seq(Seq2SeqModel.load(folder, planning)));
    }

    private record OfDecoder(DecoderModel model) implements Kind {
        @Override
        public MemoryPlan at(int ctx, int batch, int beams, RowFormat cache) {
            return model.plan()
                    .plus(model.decoder().plan(Decoder.SessionSize.of(batch, ctx), CacheSettings.DEFAULT.with(cache)));
        }

        @Override
        public int positions() {
            return model.decoder().config().nPositions();
        }

        @Override
        public void close() {
            model.close();
        }
    }

    private record OfEncoder(EncoderModel model) implements Kind {
        @Override
        public MemoryPlan at(int ctx, int batch, int beams, RowFormat cache) {
            return model.plan(Math.multiplyExact(ctx, batch));
        }

        @Override
        public int positions() {
            return model.config().nPositions();
        }

        @Override
        public void close() {
            model.close();
        }
    }

    private record OfSeq2Seq(Seq2SeqModel model) implements Kind {
        @Override
        public MemoryPlan at(int ctx, int batch, int beams, RowFormat cache) {
            Transformer transformer = model.transformer();
            boolean sound = transformer.encoder().input() instanceof AudioInput; // whose windows are of one size
            int source = sound ? transformer.config().nSource() : ctx;
            return model.plan().plus(transformer.plan(new Transformer.SessionSize(batch, beams, source, ctx, 1)));
        }

        @Override
        public int positions() {
            return model.transformer().config().nTarget();
        }

        @Override
        public void close() {
            model.close();
        }
    }

    /** Positions that the model has. */
    public int positions() {
        return kind.positions();
    }

    /**
     * What the model and one session take.
     *
     * @param ctx tokens of a sequence; of an encoder-decoder those of a source, and of a target
     * @param batch sequences at once
     * @param beams hypotheses of each source, of an encoder-decoder
     * @throws IllegalArgumentException if one is less than 1, or ctx beyond the model's positions
     */
    public MemoryPlan at(int ctx, int batch, int beams) {
        return at(ctx, batch, beams, RowFormat.F32);
    }

    /**
     * As {@link #at(int, int, int)}, with a cache in another format.
     *
     * @param cache of a decoder's keys and values; others ignore it
     */
    public MemoryPlan at(int ctx, int batch, int beams, RowFormat cache) {
        if (ctx < 1 || batch < 1 || beams < 1 || ctx > positions()) {
            throw new IllegalArgumentException("ctx " + ctx + ", batch " + batch + ", beams " + beams
                    + ": must be at least 1, and ctx at most the model's " + positions() + " positions");
        }
        return kind.at(ctx, batch, beams, cache);
    }

    /**
     * Changes of {@link #at} that would fit into a budget, each of one number; empty if none does.
     *
     * @param bytes of the budget
     */
    public List<String> wouldFit(long bytes, int ctx, int batch, int beams, RowFormat cache) {
        List<String> changes = new ArrayList<>();
        add(changes, "--ctx ", ctx, n -> at(n, batch, beams, cache).totalBytes() <= bytes);
        add(changes, "--batch ", batch, n -> at(ctx, n, beams, cache).totalBytes() <= bytes);
        add(changes, "--beams ", beams, n -> at(ctx, batch, n, cache).totalBytes() <= bytes);
        for (RowFormat other : RowFormat.values()) {
            long smaller = at(ctx, batch, beams, other).totalBytes();
            if (smaller <= bytes && smaller < at(ctx, batch, beams, cache).totalBytes()) {
                changes.add("--cache " + other);
            }
        }
        return changes;
    }

    private static void add(List<String> changes, String name, int most, IntPredicate fits) {
        int best = 0;
        for (int step = Integer.highestOneBit(most); step > 0; step >>= 1) {
            if (best + step < most && fits.test(best + step)) {
                best += step;
            }
        }
        if (best > 0) {
            changes.add(name + best);
        }
    }

    @Override
    public void close() {
        kind.close();
    }
}
