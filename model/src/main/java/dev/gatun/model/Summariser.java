package dev.gatun.model;

import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Makes summaries with an encoder-decoder that was trained for it: BART, Pegasus, T5. A text that is longer than the model reads is
 * cut into passages of whole sentences, each of which is summarised. Thread-safe: calls at the same time have a session each.
 */
public final class Summariser implements AutoCloseable {
    private final Seq2SeqText text;
    private final GenerationConfig generation;
    private final String prefix;

    private Summariser(Seq2SeqText text, GenerationConfig generation, String prefix) {
        this.text = text;
        this.generation = generation;
        this.prefix = prefix;
    }

    /**
     * Opens a model folder: config.json, safetensors, tokenizer.json. A T5 is told what to do by the words {@code summarize:}. The
     * caller closes the summariser, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format or do not fit together
     */
    public static Summariser open(ModelFolder folder, Backend backend) throws IOException {
        Seq2SeqText text = Seq2SeqText.open(folder, backend);
        String prefix = text.model().type().endsWith("t5") ? "summarize: " : "";
        return new Summariser(text, text.model().generation(), prefix);
    }

    /** How this summariser generates: what the model's files say, unless changed by {@link #with}. */
    public GenerationConfig generation() {
        return generation;
    }

    /** The same model with other settings. Shares everything with this summariser: close one of them, when both are done. */
    public Summariser with(GenerationConfig newGeneration) {
        return new Summariser(text, newGeneration, prefix);
    }

    /**
     * Summarises one text.
     *
     * @param locale of the text, whose rules tell where a sentence ends
     * @return a summary; of a text in passages one of each, a line apart; nothing of a blank text
     * @throws InputException if a single sentence has more tokens than the model has positions
     */
    public String summarise(String source, Locale locale) {
        return summariseAll(List.of(source), locale).getFirst();
    }

    /** As {@link #summarise} for several texts, each of which gets what it would get alone. */
    public List<String> summariseAll(List<String> sources, Locale locale) {
        List<int[]> passages = new ArrayList<>();
        int[] ends = new int[sources.size()];
        for (int i = 0; i < ends.length; i++) {
            if (!sources.get(i).isBlank()) {
                addPassages(sources.get(i), locale, passages);
            }
            ends[i] = passages.size();
        }
        List<String> made = new ArrayList<>();
        text.generate(passages, generation, Sampling.GREEDY, done -> {})
                .forEach(best ->
                        made.add(text.tokenizer().decode(best.getFirst().ids()).strip()));
        List<String> summaries = new ArrayList<>();
        for (int i = 0; i < ends.length; i++) {
            summaries.add(String.join("\n", made.subList(i == 0 ? 0 : ends[i - 1], ends[i])));
        }
        return summaries;
    }

    /** The whole text if the model can read it; else sentences, as many together as it can. */
    private void addPassages(String source, Locale locale, List<int[]> passages) {
        int[] whole = text.tokenizer().encode(prefix + source);
        if (whole.length <= text.nPositions()) {
            passages.add(whole);
            return;
        }
        List<String> sentences = Sentences.of(source, locale).list();
        int[] lengths = sentences.stream()
                .mapToInt(sentence -> text.tokenize(prefix + sentence).length)
                .toArray();
        // Lengths add up to at least what the sentences take together: each has the special tokens and the prefix.
        int passageCount =
                (int) Math.ceilDiv(Arrays.stream(lengths).asLongStream().sum(), text.nPositions());
        long target = Math.ceilDiv(Arrays.stream(lengths).asLongStream().sum(), Math.max(1, passageCount));
        for (int from = 0; from < lengths.length; ) {
            int to = from;
            long tokens = 0;
            while (to < lengths.length
                    && (to == from || tokens < target && tokens + lengths[to] <= text.nPositions())) {
                tokens += lengths[to++];
            }
            passages.add(text.tokenize(prefix + String.join(" ", sentences.subList(from, to))));
            from = to;
        }
    }

    /** Closes the model and the tokenizer: nobody may be using it. */
    @Override
    public void close() {
        text.close();
    }
}
