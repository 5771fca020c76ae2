package dev.gatun.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun generate}: goes on from a text. */
final class GenerateCommand implements Command {
    private static final double TEMPERATURE = 0;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Goes on from a text.")
                .description(
                        "Without --prompt, all of stdin is the text. What was generated goes to stdout as it comes.");
        spec.addOption(CommonOptions.option("--prompt", "TEXT", String.class, "the text to go on from"));
        GenerationOptions.addTo(spec, TEMPERATURE);
        spec.addOption(CommonOptions.flag(
                "--json", "one JSON object at the end instead: text, tokens, log-probabilities, why it ended, times"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        boolean json = invocation.flag("--json");
        Settings settings = GenerationOptions.settings(invocation, TEMPERATURE, json);
        GenerationOptions.format(invocation);
        GenerationOptions.cache(invocation);
        String prompt = invocation.option("--prompt", String.class);
        if (prompt == null) {
            if (invocation.inIsTerminal().getAsBoolean()) {
                throw new Failure("generate: no --prompt; give a text in quotes, or on stdin");
            }
            prompt = new String(invocation.in().readAllBytes(), StandardCharsets.UTF_8);
        }
        Results results = invocation.results();
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                TextGenerator generator = GenerationOptions.open(invocation, "generate", backend);
                TextGenerator draft = GenerationOptions.openDraft(invocation, backend)) {
            Settings drafted = GenerationOptions.drafted(invocation, settings, generator, draft);
            Result result = generator.generate(prompt, drafted, text -> {
                if (!json) {
                    results.write(text);
                    results.flush();
                }
                return results.isRead();
            });
            results.line(json ? object(prompt, result) : "");
            results.flush();
            invocation.log().println(GenerationOptions.speed(result));
        }
        return 0;
    }

    private static String object(String prompt, Result result) throws IOException {
        var text = new StringWriter();
        try (JsonGenerator out = new JsonFactory().createGenerator(text)) {
            out.writeStartObject();
            out.writeStringField("prompt", prompt);
            out.writeStringField("text", result.text());
            out.writeFieldName("ids");
            out.writeArray(result.ids(), 0, result.ids().length);
            out.writeFieldName("logprobs");
            out.writeArray(result.logProbabilities(), 0, result.logProbabilities().length);
            out.writeStringField("end", result.end().name().toLowerCase(Locale.ROOT));
            out.writeNumberField("prompt_tokens", result.promptTokens());
            out.writeNumberField("first_token_seconds", result.firstNanos() / 1e9);
            out.writeNumberField("decode_seconds", result.decodeNanos() / 1e9);
            out.writeEndObject();
        }
        return text.toString();
    }
}
