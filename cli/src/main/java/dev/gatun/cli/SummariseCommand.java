package dev.gatun.cli;

import dev.gatun.model.Summariser;
import dev.gatun.model.generate.GenerationConfig;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun summarise}: a summary of each text. */
final class SummariseCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Summarises texts, one after the other.")
                .description("Without TEXT and --file, stdin is the text. A text that is longer than the model reads is"
                        + " cut into passages of whole sentences, with a line for each.");
        spec.addPositional(EmbedCommand.texts("a text, in quotes; several are several texts"));
        spec.addOption(ModelOption.spec(
                "folder of a model for summaries (BART, Pegasus, T5): config.json, safetensors, tokenizer.json"));
        TargetOptions.add(spec);
        spec.addOption(CommonOptions.path("--file", "FILE", "summarise what is in this file"));
        spec.addOption(CommonOptions.option(
                "--locale",
                "TAG",
                String.class,
                "language of the text, whose rules tell sentences apart; default: en"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<String> texts = texts(invocation);
        String tag = invocation.option("--locale", String.class);
        Locale locale = tag == null ? Locale.ENGLISH : Locale.forLanguageTag(tag);
        UnaryOperator<GenerationConfig> settings = TargetOptions.of(invocation);
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                Summariser opened = Summariser.open(ModelOption.required(invocation, "summarise"), backend)) {
            Summariser summariser = opened.with(settings.apply(opened.generation()));
            for (String text : texts) {
                try {
                    invocation.results().line(summariser.summarise(text, locale));
                } catch (IllegalArgumentException e) { // an InputException, or more characters than a tokenizer takes
                    throw new Failure(String.valueOf(e.getMessage()), e);
                }
                invocation.results().flush();
            }
        }
        return 0;
    }

    private static List<String> texts(Invocation invocation) throws IOException {
        List<String> texts = invocation.parameter(List.of());
        Path file = invocation.option("--file", Path.class);
        if (file != null) {
            if (!texts.isEmpty()) {
                throw new Failure("summarise: TEXT and --file; give one of them");
            }
            try {
                return List.of(Files.readString(file));
            } catch (MalformedInputException e) {
                throw new Failure(file + ": not UTF-8", e);
            }
        }
        if (!texts.isEmpty()) {
            return texts;
        }
        if (invocation.inIsTerminal().getAsBoolean()) {
            throw new Failure("summarise: no TEXT; give one in quotes, a --file, or a text on stdin");
        }
        return List.of(new String(invocation.in().readAllBytes(), StandardCharsets.UTF_8));
    }
}
