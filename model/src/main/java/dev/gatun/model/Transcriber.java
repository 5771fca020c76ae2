package dev.gatun.model;

import dev.gatun.memory.Tensor;
import dev.gatun.model.audio.AudioFile;
import dev.gatun.model.audio.LogMel;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.generate.SpeechGeneration;
import dev.gatun.model.generate.SpeechPrompt;
import dev.gatun.model.generate.TimestampRules;
import dev.gatun.model.generate.TokenRules;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.text.HuggingFaceTokenizer;
import dev.gatun.model.transformer.AudioInput;
import dev.gatun.model.transformer.Transformer;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.transformer.TransformerSession;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleConsumer;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Writes down what is said, with a model of speech: Whisper. Sound that is longer than the model's window, 30 seconds, is heard a window
 * after the other, each from where the last whole segment of the one before ended. Thread-safe: calls at the same time have a session
 * each.
 *
 * <pre>{@code
 * try (var backend = Backend.open(Backend.Options.defaults());
 *         var transcriber = Transcriber.open(ModelFolder.of(Path.of("whisper-base")), backend)) {
 *     System.out.println(transcriber.transcribe(Path.of("speech.wav")).text());
 * }
 * }</pre>
 */
public final class Transcriber implements AutoCloseable {
    private final Seq2SeqModel model;
    private final HuggingFaceTokenizer tokenizer;
    private final LogMel logMel;
    private final SpeechPrompt prompt;
    private final Settings settings;

    /** What is asked of the model; null where its own files say. */
    private record Settings(
            GenerationConfig generation,
            @Nullable String language,
            @Nullable String task,
            boolean timestamps) {}

    private Transcriber(
            Seq2SeqModel model, HuggingFaceTokenizer tokenizer, LogMel logMel, SpeechPrompt prompt, Settings settings) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.logMel = logMel;
        this.prompt = prompt;
        this.settings = settings;
    }

    /**
     * What was said.
     *
     * @param language code of the language that was spoken, as it was asked for or heard; empty where the model knows one only
     * @param text all of it
     * @param segments the same in parts
     */
    public record Transcription(String language, String text, List<Segment> segments) {
        /** Copies the list. */
        public Transcription {
            segments = List.copyOf(segments);
        }
    }

    /**
     * A part of what was said.
     *
     * @param start seconds from the beginning
     * @param end likewise
     * @param text of the part
     */
    public record Segment(double start, double end, String text) {}

    /**
     * Opens a model folder: config.json, generation_config.json, safetensors, tokenizer.json and, unless it is as usual,
     * preprocessor_config.json. The caller closes the transcriber, and after it the backend.
     *
     * @throws IOException if a file is missing or cannot be read
     * @throws ModelFormatException if files break their format or do not fit together, or the model reads no sound
     */
    public static Transcriber open(ModelFolder folder, Backend backend) throws IOException {
        Seq2SeqModel model = Seq2SeqModel.load(folder, backend);
        try {
            Transformer transformer = model.transformer();
            if (!(transformer.encoder().input() instanceof AudioInput input)) {
                throw new ModelFormatException(folder.name() + ": a model of type " + model.type() + " reads no sound");
            }
            LogMel logMel = LogMel.read(folder, input.bins());
            if (logMel.windowFrames() != input.frames()) {
                throw new ModelFormatException(folder.name() + ": preprocessor_config.json makes windows of "
                        + logMel.windowFrames() + " columns, the model reads " + input.frames());
            }
            SpeechPrompt prompt = SpeechPrompt.read(
                    JsonConfig.read(folder, "generation_config.json"),
                    transformer.config().vocab());
            var settings = new Settings(model.generation(), null, null, false);
            var tokenizer = HuggingFaceTokenizer.open(folder, HuggingFaceTokenizer.MAX_CHARS);
            return new Transcriber(model, tokenizer, logMel, prompt, settings);
        } catch (Throwable e) {
            model.close();
            throw e;
        }
    }

    /** How this transcriber generates: what the model's files say, unless changed by {@link #with}. */
    public GenerationConfig generation() {
        return settings.generation;
    }

    /** The same model with other settings. Shares everything with this transcriber: close one of them, when both are done. */
    public Transcriber with(GenerationConfig newGeneration) {
        return with(new Settings(newGeneration, settings.language, settings.task, settings.timestamps));
    }

    private Transcriber with(Settings newSettings) {
        return new Transcriber(model, tokenizer, logMel, prompt, newSettings);
    }

    /**
     * The same model listening to a language, which it need not find out. Shares everything, too.
     *
     * @param code such as {@code en}
     * @throws InputException if the model does not know it
     */
    public Transcriber in(String code) {
        known(() -> prompt.languageId(code));
        return with(new Settings(settings.generation, code, settings.task, settings.timestamps));
    }

    /**
     * The same model doing a task. Shares everything, too.
     *
     * @param name {@code transcribe}, or {@code translate}: into English
     * @throws InputException if the model does not know it
     */
    public Transcriber task(String name) {
        known(() -> prompt.taskId(name));
        return with(new Settings(settings.generation, settings.language, name, settings.timestamps));
    }

    /**
     * The same model writing times among the words, of which segments are made; sound that is longer than a window has them always.
     * Shares everything, too.
     */
    public Transcriber withTimestamps() {
        return with(new Settings(settings.generation, settings.language, settings.task, true));
    }

    private static void known(Runnable check) {
        try {
            check.run();
        } catch (IllegalArgumentException e) {
            throw new InputException(String.valueOf(e.getMessage()));
        }
    }

    /**
     * Transcribes a sound file: WAV, AIFF or AU, at any rate; several channels are heard as one.
     *
     * @throws InputException if it is no such file, ends early, or is longer than six hours
     * @throws IOException if it does not exist or cannot be read
     */
    public Transcription transcribe(Path file) throws IOException {
        return transcribe(file, part -> {});
    }

    /** As {@link #transcribe(Path)}, saying under way which part of it, 0 to 1, is done. */
    public Transcription transcribe(Path file, DoubleConsumer progress) throws IOException {
        float[] samples;
        try {
            samples = AudioFile.read(file, logMel.rate());
        } catch (IllegalArgumentException e) {
            throw new InputException(String.valueOf(e.getMessage()));
        }
        return transcribe(samples, progress);
    }

    /** Samples a second that {@link #transcribe(float[], DoubleConsumer)} takes. */
    public int sampleRate() {
        return logMel.rate();
    }

    /**
     * Transcribes samples.
     *
     * @param samples -1 to 1, at {@link #sampleRate}; at least one
     * @param progress told which part of them, 0 to 1, is done
     * @throws IllegalArgumentException if there are none
     */
    public Transcription transcribe(float[] samples, DoubleConsumer progress) {
        if (samples.length == 0) {
            throw new InputException("a sound of no samples");
        }
        boolean times = settings.timestamps || samples.length > logMel.windowSamples();
        try (Arena arena = Arena.ofConfined();
                TransformerSession session = newSession()) {
            Tensor features = logMel.of(samples, arena);
            int detected = TokenRules.NONE;
            if (prompt.hasToDetect(settings.language)) {
                detected = generation(settings.generation)
                        .detect(session, features, prompt.languages().values());
            }
            int[] ids = prompt.ids(settings.language, settings.task, detected, times);
            GenerationConfig config = config(ids, times);
            int frames = Math.max(1, logMel.frames(samples.length));
            List<Segment> segments =
                    generation(config)
                            .run(session, features, frames, (done, of) -> progress.accept((double) done / of))
                            .stream()
                            .map(this::decoded)
                            .filter(segment -> !segment.text().isBlank())
                            .toList();
            String text = segments.stream()
                    .map(Segment::text)
                    .collect(Collectors.joining())
                    .strip();
            return new Transcription(language(ids), text, segments);
        }
    }

    private TransformerSession newSession() {
        Transformer transformer = model.transformer();
        int nSource = transformer.config().nSource();
        int nTarget = transformer.config().nTarget();
        return transformer.newSession(new SessionSize(1, settings.generation.beams(), nSource, nTarget, 1));
    }

    private SpeechGeneration generation(GenerationConfig config) {
        return new SpeechGeneration(config, logMel.windowFrames(), (double) logMel.hop() / logMel.rate());
    }

    /** The settings with the prompt, as many ids as there are positions behind it, and rules for times if there are any. */
    private GenerationConfig config(int[] ids, boolean times) {
        GenerationConfig generation = settings.generation;
        int most = model.transformer().config().nTarget() - 1 - ids.length;
        TimestampRules rules = times ? prompt.timestamps() : null;
        return generation
                .withPrompt(ids)
                .withTokens(Math.min(generation.minTokens(), most), Math.min(generation.maxTokens(), most))
                .withRules(generation.rules().withTimestamps(rules));
    }

    private Segment decoded(SpeechGeneration.Segment segment) {
        int firstTime = prompt.timestamps().first();
        int[] words = Arrays.stream(segment.ids()).filter(id -> id < firstTime).toArray();
        return new Segment(segment.start(), segment.end(), tokenizer.decode(words));
    }

    /** The code of the language that a prompt names. */
    private String language(int[] ids) {
        for (Map.Entry<String, Integer> language : prompt.languages().entrySet()) {
            if (ids.length > 0 && ids[0] == language.getValue()) {
                return language.getKey();
            }
        }
        return "";
    }

    /** Closes the model and the tokenizer: nobody may be using it. */
    @Override
    public void close() {
        tokenizer.close();
        model.close();
    }
}
