package dev.gatun.model;

import dev.gatun.model.generate.BeamSearch;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.GreedySearch;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.text.MarianTokenizer;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.transformer.TransformerConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Translates text with a Marian (OPUS-MT) model. Thread-safe: each call has a session of its own.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var translator = Translator.openDemo(backend)) {
 *     System.out.println(translator.translate("two hundred and five")); // 二百零五
 * }
 * }</pre>
 */
public final class Translator implements AutoCloseable {
    /** Sentences that are translated side by side. */
    private static final int BATCH = 16;

    private final Seq2SeqModel model;
    private final MarianTokenizer tokenizer;
    private final GenerationConfig generation;

    private Translator(Seq2SeqModel model, MarianTokenizer tokenizer, GenerationConfig generation) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.generation = generation;
    }

    /**
     * Opens a model folder: config.json, safetensors, source.spm, target.spm, vocab.json. The caller closes the translator, and
     * after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format or do not fit together
     */
    public static Translator open(ModelFolder folder, Backend backend) throws IOException {
        Seq2SeqModel model = Seq2SeqModel.load(folder, backend);
        try {
            MarianTokenizer tokenizer = MarianTokenizer.open(folder);
            int vocab = model.transformer().config().vocab();
            if (tokenizer.vocabSize() > vocab) {
                tokenizer.close();
                throw new ModelFormatException(folder.name() + ": vocab.json has " + tokenizer.vocabSize()
                        + " ids, the model's embedding only " + vocab);
            }
            return new Translator(model, tokenizer, model.generation());
        } catch (Throwable e) {
            model.close();
            throw e;
        }
    }

    /** Opens the model that comes with us: English numbers, dates and a few phrases to Chinese. */
    public static Translator openDemo(Backend backend) throws IOException {
        return open(ModelFolder.ofResources(Translator.class, "dev/gatun/model/demo/numerals-en-zh"), backend);
    }

    /** How this translator generates: what the model's files say, unless changed by {@link #with}. */
    public GenerationConfig generation() {
        return generation;
    }

    /** The same model with other settings. Shares everything with this translator: close one of them, when both are done. */
    public Translator with(GenerationConfig newGeneration) {
        return new Translator(model, tokenizer, newGeneration);
    }

    /**
     * Translates one text.
     *
     * @throws InputException if it has more tokens than the model has positions
     */
    public String translate(String text) {
        return translateAll(List.of(text)).getFirst();
    }

    /**
     * Translates texts, in their order; each result is what it would be alone. A blank text becomes an empty one.
     *
     * @throws InputException if one has more tokens than the model has positions
     */
    public List<String> translateAll(List<String> texts) {
        int[][] ids = new int[texts.size()][];
        List<Integer> work = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) {
            if (!texts.get(i).isBlank()) {
                ids[i] = tokenize(texts.get(i));
                work.add(i);
            }
        }
        String[] translations = new String[ids.length];
        Arrays.fill(translations, "");
        for (int from = 0; from < work.size(); from += BATCH) {
            List<Integer> batch = work.subList(from, Math.min(work.size(), from + BATCH));
            int[][] targets = generate(batch.stream().map(i -> ids[i]).toArray(int[][]::new));
            for (int i = 0; i < targets.length; i++) {
                translations[batch.get(i)] = tokenizer.decode(targets[i]);
            }
        }
        return List.of(translations);
    }

    private int[] tokenize(String text) {
        int[] ids = tokenizer.encode(text);
        TransformerConfig config = model.transformer().config();
        if (ids.length > config.nPositions()) {
            throw new InputException("text of " + text.length() + " characters has " + ids.length
                    + " tokens, the model takes at most " + config.nPositions());
        }
        return ids;
    }

    private int[][] generate(int[][] sources) {
        int nSource = Arrays.stream(sources).mapToInt(ids -> ids.length).max().orElse(1);
        int nTarget =
                Math.min(generation.maxTokens(), model.transformer().config().nPositions());
        var size = new SessionSize(sources.length, generation.beams(), nSource, nTarget, 1);
        GenerationConfig limited = generation.withMaxTokens(nTarget);
        try (var session = model.transformer().newSession(size)) {
            session.encode(sources);
            if (generation.beams() == 1) {
                return new GreedySearch(limited).run(session);
            }
            return new BeamSearch(limited)
                    .run(session).stream().map(best -> best.getFirst().ids()).toArray(int[][]::new);
        }
    }

    @Override
    public void close() {
        tokenizer.close();
        model.close();
    }
}
