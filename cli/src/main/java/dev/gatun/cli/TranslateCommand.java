package dev.gatun.cli;

import dev.gatun.model.InputException;
import dev.gatun.model.Translator;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** {@code gatun translate}: one line of output for each text. */
final class TranslateCommand implements Command {
    /** Lines of stdin that are translated together where they are there already: what a translator does side by side. */
    private static final int BATCH = 16;

    /** Lines of a file that are sorted by length together. */
    private static final int FILE_LINES = 4096;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Translates texts, one line of output each.")
                .description("Without TEXT and --file, each line of stdin is one. Without --model, the demo model"
                        + " translates: English numbers, dates and a few phrases to Chinese.");
        spec.addPositional(PositionalParamSpec.builder()
                .paramLabel("TEXT")
                .arity("0..*")
                .type(List.class)
                .auxiliaryTypes(String.class)
                .description("a sentence, in quotes; several are several texts")
                .build());
        spec.addOption(ModelOption.spec(
                "folder of an encoder-decoder (OPUS-MT, mBART, T5): config.json, safetensors, and source.spm,"
                        + " target.spm, vocab.json or tokenizer.json"));
        TargetOptions.add(spec);
        spec.addOption(CommonOptions.option(
                "--source-language", "CODE", String.class, "language of the texts, to models that know codes: de_DE"));
        spec.addOption(
                CommonOptions.option("--target-language", "CODE", String.class, "language to translate to, likewise"));
        spec.addOption(CommonOptions.path("--file", "FILE", "translate the lines of this file"));
        spec.addOption(CommonOptions.flag(
                "--alignment",
                "behind each line ||| and pairs of tokens, source-target from 0: what each one looked at most"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<String> texts = invocation.parameter(List.of());
        if (texts.isEmpty()
                && invocation.option("--file", Path.class) == null
                && invocation.inIsTerminal().getAsBoolean()) {
            throw new Failure("translate: no TEXT; give one in quotes, a --file, or lines on stdin");
        }
        Path file = invocation.option("--file", Path.class);
        if (file != null && !texts.isEmpty()) {
            throw new Failure("translate: TEXT and --file; give one of them");
        }
        UnaryOperator<GenerationConfig> settings = TargetOptions.of(invocation);
        Path model = ModelOption.path(invocation);
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                Translator opened = model == null
                        ? Translator.openDemo(backend)
                        : Translator.open(ModelFolder.of(model), backend)) {
            Translator asked = inLanguages(opened.with(settings.apply(opened.generation())), invocation);
            Translations translator = invocation.flag("--alignment") ? aligned(asked) : asked::translateAll;
            if (file != null) {
                translateFile(translator, file, invocation);
            } else if (texts.isEmpty()) {
                translateLines(translator, invocation);
            } else {
                translate(translator, texts, texts.size() == 1 ? "" : "TEXT ", 1, invocation.results(), done -> {});
            }
        }
        return 0;
    }

    /** What is printed of texts, a line each, saying under way how many more are done. */
    private interface Translations {
        List<String> of(List<String> sources, IntConsumer done);
    }

    private static Translations aligned(Translator translator) {
        return (sources, done) -> {
            List<String> lines = translator.alignAll(sources).stream()
                    .map(alignment -> alignment.text() + " ||| " + alignment.pharaoh())
                    .toList();
            done.accept(lines.size());
            return lines;
        };
    }

    private static Translator inLanguages(Translator translator, Invocation invocation) {
        String from = invocation.option("--source-language", String.class);
        String to = invocation.option("--target-language", String.class);
        try {
            Translator translating = from == null ? translator : translator.from(from);
            return to == null ? translating : translating.to(to);
        } catch (InputException e) {
            throw new Failure(String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * Translates a file some thousands of lines at a time: enough to make batches of similar lengths, however unlike neighbours
     * are, and few enough that memory does not grow with the file.
     */
    private static void translateFile(Translations translator, Path file, Invocation invocation) throws IOException {
        try (TextSource source = TextSource.ofFile(file, "text");
                Progress progress = new Progress(
                        invocation.log(), "translate", Files.size(file), Progress.Unit.TEXTS, Progress.isWatched())) {
            List<String> lines = new ArrayList<>();
            int first = 1;
            String line = source.next();
            while (line != null && invocation.results().isRead()) {
                lines.add(line);
                line = source.next();
                if (line == null || lines.size() == FILE_LINES) {
                    int number = first;
                    long bytes = lines.stream().mapToLong(String::length).sum() / lines.size() + 1;
                    translate(
                            translator,
                            lines,
                            file + ": line ",
                            number,
                            invocation.results(),
                            done -> progress.step(done, done * bytes));
                    first += lines.size();
                    lines.clear();
                }
            }
        }
    }

    /** Takes the lines that are there, up to a batch, so that who writes one line and waits gets its translation. */
    private static void translateLines(Translations translator, Invocation invocation) throws IOException {
        var reader = new BufferedReader(new InputStreamReader(invocation.in(), StandardCharsets.UTF_8));
        List<String> lines = new ArrayList<>();
        int number = 1;
        String line = reader.readLine();
        while (line != null && invocation.results().isRead()) {
            lines.add(line);
            boolean more = lines.size() < BATCH && reader.ready();
            if (!more) {
                translate(translator, lines, "line ", number, invocation.results(), done -> {});
                number += lines.size();
                lines.clear();
            }
            line = reader.readLine();
        }
        if (!lines.isEmpty()) {
            translate(translator, lines, "line ", number, invocation.results(), done -> {});
        }
    }

    /**
     * Translates and prints; a text that is too long is an error that says which, after the translations of those before it.
     *
     * @param kind what a text is called in errors, before its number; empty for a single one
     * @param number of the first text
     */
    private static void translate(
            Translations translator, List<String> sources, String kind, int number, Results results, IntConsumer done) {
        List<String> translations;
        try {
            translations = translator.of(onOneLine(sources), done);
        } catch (IllegalArgumentException e) { // an InputException, or more characters than a tokenizer takes
            if (sources.size() == 1) {
                throw new Failure((kind.isEmpty() ? "" : kind + number + ": ") + e.getMessage(), e);
            }
            for (int i = 0; i < sources.size(); i++) {
                translate(translator, List.of(sources.get(i)), kind, number + i, results, done);
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
