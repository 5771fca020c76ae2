package dev.gatun.cli;

import dev.gatun.model.Translator;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** {@code gatun translate}: one line of output for each text. */
final class TranslateCommand implements Command {
    /** Lines of stdin that are translated together where they are there already: what a translator does side by side. */
    private static final int BATCH = 16;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Translates texts, one line of output each.")
                .description(
                        "Without TEXT, each line of stdin is one. Without --model, the demo model translates: English"
                                + " numbers, dates and a few phrases to Chinese.");
        spec.addPositional(PositionalParamSpec.builder()
                .paramLabel("TEXT")
                .arity("0..*")
                .type(List.class)
                .auxiliaryTypes(String.class)
                .description("a sentence, in quotes; several are several texts")
                .build());
        spec.addOption(ModelOption.spec(
                "folder of a Marian (OPUS-MT) model: config.json, safetensors, source.spm, target.spm, vocab.json"));
        spec.addOption(CommonOptions.option(
                "--beams",
                "N",
                Integer.class,
                "hypotheses that beam search follows, 1 (greedy) to 256; default: as the model says"));
        spec.addOption(CommonOptions.option(
                "--length-penalty",
                "X",
                Float.class,
                "beam search divides by the length to this power: more is longer; default: as the model says"));
        spec.addOption(CommonOptions.option(
                "--max-tokens",
                "N",
                Integer.class,
                "tokens that a translation has at most; default: as the model says"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<String> texts = invocation.parameter(List.of());
        if (texts.isEmpty() && invocation.inIsTerminal().getAsBoolean()) {
            throw new Failure("translate: no TEXT; give one in quotes, or lines on stdin");
        }
        UnaryOperator<GenerationConfig> settings = settings(invocation);
        Path model = ModelOption.path(invocation);
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                Translator opened = model == null
                        ? Translator.openDemo(backend)
                        : Translator.open(ModelFolder.of(model), backend)) {
            Translator translator = opened.with(settings.apply(opened.generation()));
            if (texts.isEmpty()) {
                translateLines(translator, invocation);
            } else {
                translate(translator, texts, texts.size() == 1 ? "" : "TEXT ", 1, invocation.results());
            }
        }
        return 0;
    }

    /** What the options change of a model's settings; they are checked before a model is loaded. */
    private static UnaryOperator<GenerationConfig> settings(Invocation invocation) {
        Integer beams = invocation.option("--beams", Integer.class);
        if (beams != null && (beams < 1 || beams > GenerationConfig.MAX_BEAMS)) {
            throw new Failure("--beams " + beams + ": must be 1 to " + GenerationConfig.MAX_BEAMS);
        }
        Float lengthPenalty = invocation.option("--length-penalty", Float.class);
        if (lengthPenalty != null && !Float.isFinite(lengthPenalty)) {
            throw new Failure("--length-penalty " + lengthPenalty + ": must be a finite number");
        }
        Integer maxTokens = invocation.option("--max-tokens", Integer.class);
        if (maxTokens != null && maxTokens < 1) {
            throw new Failure("--max-tokens " + maxTokens + ": must be at least 1");
        }
        return settings -> {
            GenerationConfig changed = beams == null ? settings : settings.withBeams(beams);
            changed = lengthPenalty == null ? changed : changed.withLengthPenalty(lengthPenalty);
            return maxTokens == null ? changed : changed.withMaxTokens(maxTokens);
        };
    }

    /** Takes the lines that are there, up to a batch, so that who writes one line and waits gets its translation. */
    private static void translateLines(Translator translator, Invocation invocation) throws IOException {
        var reader = new BufferedReader(new InputStreamReader(invocation.in(), StandardCharsets.UTF_8));
        List<String> lines = new ArrayList<>();
        int number = 1;
        String line = reader.readLine();
        while (line != null && invocation.results().isRead()) {
            lines.add(line);
            boolean more = lines.size() < BATCH && reader.ready();
            if (!more) {
                translate(translator, lines, "line ", number, invocation.results());
                number += lines.size();
                lines.clear();
            }
            line = reader.readLine();
        }
        if (!lines.isEmpty()) {
            translate(translator, lines, "line ", number, invocation.results());
        }
    }

    /**
     * Translates and prints; a text that is too long is an error that says which, after the translations of those before it.
     *
     * @param kind what a text is called in errors, before its number; empty for a single one
     * @param number of the first text
     */
    private static void translate(
            Translator translator, List<String> sources, String kind, int number, Results results) {
        List<String> translations;
        try {
            translations = translator.translateAll(onOneLine(sources));
        } catch (IllegalArgumentException e) { // an InputException, or more characters than a tokenizer takes
            if (sources.size() == 1) {
                throw new Failure((kind.isEmpty() ? "" : kind + number + ": ") + e.getMessage(), e);
            }
            for (int i = 0; i < sources.size(); i++) {
                translate(translator, List.of(sources.get(i)), kind, number + i, results);
            }
            return;
        }
        for (String translation : translations) {
            results.line(translation);
        }
        results.flush();
    }

    private static List<String> onOneLine(List<String> sources) {
        List<String> lines = new ArrayList<>(sources.size());
        for (String source : sources) {
            lines.add(source.replace('\n', ' ').replace('\r', ' '));
        }
        return lines;
    }
}
