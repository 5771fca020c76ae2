package dev.gatun.model;

import dev.gatun.model.generate.BeamSearch.Hypothesis;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TokenRules;
import dev.gatun.model.text.TargetTokenizer;
import dev.gatun.model.transformer.CrossAttention;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;

/**
 * Translates text with an encoder-decoder: Marian (OPUS-MT), mBART, T5. Thread-safe: calls at the same time have a session each.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var translator = Translator.openDemo(backend)) {
 *     System.out.println(translator.translate("two hundred and five")); // 二百零五
 * }
 * }</pre>
 */
public final class Translator implements AutoCloseable {
    private final Seq2SeqText text;
    private final GenerationConfig generation;
    private final Sampling sampling;
    private final int sourceLanguage; // its id, or NONE for the one that the tokenizer writes

    private Translator(Seq2SeqText text, GenerationConfig generation, Sampling sampling, int sourceLanguage) {
        this.text = text;
        this.generation = generation;
        this.sampling = sampling;
        this.sourceLanguage = sourceLanguage;
    }

    /**
     * One of the ways to translate a text.
     *
     * @param text the translation
     * @param score sum of log-probabilities divided by a power of the length, as the settings say: at most 0, more is better
     */
    public record Translation(String text, float score) {}

    /**
     * Opens a model folder: config.json, safetensors, and source.spm, target.spm and vocab.json or a tokenizer.json. The caller
     * closes the translator, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format or do not fit together
     */
    public static Translator open(ModelFolder folder, Backend backend) throws IOException {
        Seq2SeqText text = Seq2SeqText.open(folder, backend);
        return new Translator(text, text.model().generation(), Sampling.GREEDY, TokenRules.NONE);
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
        return new Translator(text, newGeneration, sampling, sourceLanguage);
    }

    /** The same model drawing its words, each text by itself from the same seed; without beam search. Shares everything, too. */
    public Translator with(Sampling newSampling) {
        return new Translator(text, generation.withBeams(1), newSampling, sourceLanguage);
    }

    /**
     * The same model translating from another language, of those whose codes are in its vocabulary, as mBART's are: {@code de_DE}.
     * Shares everything, too.
     *
     * @throws InputException if the model does not know the code, or is told no language
     */
    public Translator from(String language) {
        int id = text.languageId(language);
        int[] empty = text.tokenizer().encode("");
        if (Arrays.stream(empty).noneMatch(text.tokenizer()::isLanguage)) {
            throw new InputException("language " + language + ": this model's sources do not say their language");
        }
        return new Translator(text, generation, sampling, id);
    }

    /**
     * The same model translating to another language. Shares everything, too.
     *
     * @throws InputException if the model does not know the code
     */
    public Translator to(String language) {
        int id = text.languageId(language);
        // The first mBART's targets start with the language; those of later models with the end, and then the language.
        GenerationConfig config = text.tokenizer().isLanguage(generation.startId())
                ? generation.withStartId(id)
                : generation.withRules(generation.rules().withForcedFirst(id));
        return new Translator(text, config, sampling, sourceLanguage);
    }

    /**
     * Translates one text.
     *
     * @throws InputException if it has more tokens than the model has positions
     */
    public String translate(String source) {
        return translateAll(List.of(source)).getFirst();
    }

    /**
     * Translates texts, in their order; each result is what it would be alone. A blank text becomes an empty one.
     *
     * @throws InputException if one has more tokens than the model has positions
     */
    public List<String> translateAll(List<String> sources) {
        return translateAll(sources, done -> {});
    }

    /** As {@link #translateAll(List)}, saying under way how many more texts are done. */
    public List<String> translateAll(List<String> sources, IntConsumer done) {
        List<String> translations = new ArrayList<>(sources.size());
        for (List<Hypothesis> best : generate(sources, generation, done)) {
            translations.add(
                    best.isEmpty()
                            ? ""
                            : text.tokenizer().decode(best.getFirst().ids()));
        }
        return translations;
    }

    /**
     * Several translations of a text.
     *
     * @param n how many, 1 to {@link GenerationConfig#MAX_BEAMS}: beam search follows as many hypotheses at least
     * @return best first; none of a blank text
     * @throws IllegalArgumentException if n is out of range
     * @throws InputException if the text has more tokens than the model has positions
     */
    public List<Translation> nBest(String source, int n) {
        GenerationConfig config = generation.withBeams(n).withBeams(Math.max(Math.max(2, n), generation.beams()));
        return generate(List.of(source), config, done -> {}).getFirst().stream()
                .limit(n)
                .map(hypothesis -> new Translation(text.tokenizer().decode(hypothesis.ids()), hypothesis.score()))
                .toList();
    }

    /**
     * Translates a text of any length, sentence by sentence; white space between sentences stays as it is.
     *
     * @param locale of the text, whose rules tell where a sentence ends
     * @throws InputException if a sentence has more tokens than the model has positions
     */
    public String translateSentences(String source, Locale locale) {
        Sentences sentences = Sentences.of(source, locale);
        return sentences.join(translateAll(sentences.list()));
    }

    /** As {@link #alignAll(List, List)}, by all heads of the last layer. */
    public List<Alignment> alignAll(List<String> sources) {
        return alignAll(sources, CrossAttention.lastLayer(text.model().transformer()));
    }

    /**
     * Translates texts as {@link #translateAll(List)} and says what each token of a translation looked at: cross-attention of the step
     * that made it.
     *
     * @param heads whose mean is taken
     * @throws InputException if a text has more tokens than the model has positions
     * @throws IllegalArgumentException if there are no heads, or one is not in the model
     */
    public List<Alignment> alignAll(List<String> sources, List<CrossAttention.Head> heads) {
        List<Alignment> alignments = new ArrayList<>(sources.size());
        List<List<Hypothesis>> targets = generate(sources, generation, done -> {});
        for (int i = 0; i < sources.size(); i++) {
            alignments.add(
                    targets.get(i).isEmpty()
                            ? new Alignment("", List.of(), List.of(), new float[0][], List.of())
                            : align(
                                    tokenize(sources.get(i)),
                                    targets.get(i).getFirst().ids(),
                                    heads));
        }
        return alignments;
    }

    private Alignment align(int[] source, int[] target, List<CrossAttention.Head> heads) {
        TargetTokenizer tokenizer = text.tokenizer();
        float[][] attention =
                CrossAttention.of(text.model().transformer(), source, generation.startId(), target, heads);
        int[] aroundSources = tokenizer.encode(""); // the end, a language
        List<Alignment.Link> links = new ArrayList<>();
        for (int t = 0; t < target.length; t++) {
            int best = 0;
            for (int s = 1; s < source.length; s++) {
                best = attention[t][s] > attention[t][best] ? s : best;
            }
            int looked = source[best];
            boolean isEnd = Arrays.stream(aroundSources).anyMatch(id -> id == looked);
            if (!isEnd && !tokenizer.isLanguage(looked) && isWord(target[t])) {
                links.add(new Alignment.Link(best, t));
            }
        }
        return new Alignment(
                tokenizer.decode(target),
                Arrays.stream(source).mapToObj(tokenizer::sourceToken).toList(),
                Arrays.stream(target).mapToObj(tokenizer::targetToken).toList(),
                attention,
                links);
    }

    private boolean isWord(int id) {
        return !generation.isEos(id) && !text.tokenizer().isLanguage(id);
    }

    private List<List<Hypothesis>> generate(List<String> sources, GenerationConfig config, IntConsumer done) {
        List<int[]> ids = new ArrayList<>();
        int[] places = new int[sources.size()];
        for (int i = 0; i < places.length; i++) {
            places[i] = sources.get(i).isBlank() ? -1 : ids.size();
            if (places[i] >= 0) {
                ids.add(tokenize(sources.get(i)));
            }
        }
        done.accept(places.length - ids.size());
        List<List<Hypothesis>> targets = text.generate(ids, config, sampling, done);
        List<List<Hypothesis>> results = new ArrayList<>(places.length);
        for (int place : places) {
            results.add(place < 0 ? List.of() : targets.get(place));
        }
        return results;
    }

    /** A text's ids, in which a language that was asked for stands where the tokenizer has written its own. */
    private int[] tokenize(String source) {
        int[] ids = text.tokenize(source);
        if (sourceLanguage != TokenRules.NONE) {
            int last = ids.length - 1;
            ids[text.tokenizer().isLanguage(ids[0]) ? 0 : last] = sourceLanguage;
        }
        return ids;
    }

    /** Closes the model and the tokenizer: nobody may be using it. */
    @Override
    public void close() {
        text.close();
    }
}
