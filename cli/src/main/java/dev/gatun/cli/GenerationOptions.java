package dev.gatun.cli;

import dev.gatun.memory.RowFormat;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.constrain.Constraint;
import dev.gatun.model.constrain.ConstraintException;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** The options of {@code generate} and {@code chat}. */
final class GenerationOptions {
    static final Map<String, WeightFormat> FORMATS =
            Map.of("bf16", WeightFormat.BF16, "q8_0", WeightFormat.Q8_0, "q4_0", WeightFormat.Q4_0);

    private static final int DRAFT_TOKENS = 4;

    private GenerationOptions() {}

    static void addTo(CommandSpec spec, double temperature) {
        spec.addOption(ModelOption.spec("GGUF file, or folder with config.json, safetensors and tokenizer.json"));
        spec.addOption(number("--max-tokens", Integer.class, "tokens to produce at most; default: 256"));
        spec.addOption(number(
                "--temperature",
                Double.class,
                "0 takes the most probable token, more is bolder; default: " + temperature));
        spec.addOption(number("--top-k", Integer.class, "draw from the K most probable tokens; default: 0, all"));
        spec.addOption(number("--top-p", Double.class, "draw from the fewest that reach probability P; default: 1"));
        spec.addOption(
                number("--min-p", Double.class, "draw from those with P of the largest probability; default: 0"));
        spec.addOption(number("--repetition-penalty", Double.class, "above 1 avoids what was said; default: 1"));
        spec.addOption(number("--seed", Long.class, "of the draws: the same seed gives the same text; default: 0"));
        spec.addOption(OptionSpec.builder("--stop")
                .paramLabel("TEXT")
                .type(List.class)
                .auxiliaryTypes(String.class)
                .description("end where this text appears; may be given several times")
                .build());
        spec.addOption(number(
                "--lookup",
                Integer.class,
                "tokens to guess a step from what the text said before; the text stays the same; default: 0"));
        spec.addOption(CommonOptions.path(
                "--draft",
                "FILE|DIR",
                "a smaller model with the same vocabulary, to guess what this one says; the text stays the same"));
        spec.addOption(number("--draft-tokens", Integer.class, "tokens that --draft guesses a step; default: 4"));
        spec.addOption(CommonOptions.option(
                "--regex", "REGEX", String.class, "the text has to match this regular expression, all of it"));
        spec.addOption(CommonOptions.option(
                "--json-schema",
                "FILE|JSON",
                String.class,
                "the text has to be JSON that this schema allows; what starts with { is the schema itself"));
        spec.addOption(weights());
        spec.addOption(cache());
    }

    /** The option of {@link #cache(Invocation)}. */
    static OptionSpec cache() {
        return CommonOptions.option(
                "--cache",
                "FORMAT",
                String.class,
                "keep keys and values as f32, f16, bf16 or q8_0; default: f32, which rounds nothing");
    }

    /** How keys and values are kept. */
    static CacheSettings cache(Invocation invocation) {
        String name = invocation.option("--cache", String.class);
        if (name == null) {
            return CacheSettings.DEFAULT;
        }
        for (RowFormat format : RowFormat.values()) {
            if (format.toString().equals(name.toLowerCase(Locale.ROOT))) {
                return CacheSettings.DEFAULT.with(format);
            }
        }
        throw new Failure("--cache " + name + ": is none of " + List.of(RowFormat.values()));
    }

    /** The option of {@link #format}. */
    static OptionSpec weights() {
        return CommonOptions.option(
                "--weights",
                "FORMAT",
                String.class,
                "keep weights as bf16, q8_0 or q4_0; default: as the file has them");
    }

    private static OptionSpec number(String name, Class<?> type, String description) {
        return CommonOptions.option(name, "N", type, description);
    }

    private static <T> T value(Invocation invocation, String name, Class<T> type, T fallback) {
        T value = invocation.option(name, type);
        return value == null ? fallback : value;
    }

    /** What the options say; checked before a model is loaded. */
    static Settings settings(Invocation invocation, double temperature, boolean logProbabilities) throws IOException {
        try {
            List<String> stop = ((List<?>) value(invocation, "--stop", List.class, List.of()))
                    .stream().map(String::valueOf).toList();
            Integer draftTokens = value(invocation, "--draft-tokens", Integer.class, DRAFT_TOKENS);
            if (draftTokens < 1 || draftTokens > 64) {
                throw new IllegalArgumentException("draft-tokens " + draftTokens + ": must be 1 to 64");
            }
            return new Settings(
                    value(invocation, "--max-tokens", Integer.class, 256),
                    new Sampling(
                            value(invocation, "--temperature", Double.class, temperature),
                            value(invocation, "--top-k", Integer.class, 0),
                            value(invocation, "--top-p", Double.class, 1.0),
                            value(invocation, "--min-p", Double.class, 0.0),
                            value(invocation, "--repetition-penalty", Double.class, 1.0),
                            value(invocation, "--seed", Long.class, 0L)),
                    stop,
                    Set.of(),
                    logProbabilities,
                    value(invocation, "--lookup", Integer.class, 0),
                    constraint(invocation),
                    null);
        } catch (ConstraintException e) {
            throw e;
        } catch (IllegalArgumentException e) {
            throw new Failure("bad option: " + e.getMessage(), e);
        }
    }

    private static @Nullable Constraint constraint(Invocation invocation) throws IOException {
        String regex = invocation.option("--regex", String.class);
        String schema = invocation.option("--json-schema", String.class);
        if (regex != null && schema != null) {
            throw new Failure("--regex and --json-schema: a text has one of them");
        }
        if (regex != null) {
            return Constraint.regex(regex);
        }
        if (schema == null) {
            return null;
        }
        return Constraint.jsonSchema(schema.stripLeading().startsWith("{") ? schema : schemaFile(schema));
    }

    private static String schemaFile(String name) throws IOException {
        try {
            Path path = Path.of(name);
            long size = Files.size(path);
            if (size > 4L * Constraint.MAX_CHARS) {
                throw new Failure(name + ": " + size + " bytes, which is no schema");
            }
            return Files.readString(path);
        } catch (InvalidPathException e) {
            throw new Failure("--json-schema " + name + ": neither a file nor JSON", e);
        } catch (CharacterCodingException e) {
            throw new Failure(name + ": not UTF-8", e);
        }
    }

    /** Opens the model that guesses; null if there is none. */
    static @Nullable TextGenerator openDraft(Invocation invocation, Backend backend) throws IOException {
        Path draft = invocation.option("--draft", Path.class);
        return draft == null ? null : TextGenerator.open(draft, backend, format(invocation), cache(invocation));
    }

    /** The settings with the model that guesses, if there is one. */
    static Settings drafted(
            Invocation invocation, Settings settings, TextGenerator generator, @Nullable TextGenerator draft) {
        return draft == null
                ? settings
                : settings.with(
                        generator.draft(draft, value(invocation, "--draft-tokens", Integer.class, DRAFT_TOKENS)));
    }

    /** Opens the model that the options name. */
    static TextGenerator open(Invocation invocation, String command, Backend backend) throws IOException {
        Path model = ModelOption.path(invocation);
        if (model == null) {
            throw new Failure(command + ": no model; give a GGUF file, a folder, or a name on the Hub with --model");
        }
        return TextGenerator.open(model, backend, format(invocation), cache(invocation));
    }

    static WeightFormat format(Invocation invocation) {
        String name = invocation.option("--weights", String.class);
        if (name == null) {
            return WeightFormat.AS_STORED;
        }
        WeightFormat format = FORMATS.get(name.toLowerCase(Locale.ROOT));
        if (format == null) {
            throw new Failure("--weights " + name + ": is none of " + new TreeSet<>(FORMATS.keySet()));
        }
        return format;
    }

    /** What it took, for stderr. */
    static String speed(Result result) {
        int rest = result.ids().length - 1;
        String first = String.format(
                Locale.ROOT,
                "%d tokens read in %.2f s (%.1f a second)",
                result.promptTokens(),
                result.firstNanos() / 1e9,
                result.promptTokens() * 1e9 / Math.max(1, result.firstNanos()));
        return rest < 1
                ? first
                : first
                        + String.format(
                                Locale.ROOT,
                                ", %d written in %.2f s (%.1f a second)",
                                rest,
                                result.decodeNanos() / 1e9,
                                rest * 1e9 / Math.max(1, result.decodeNanos()));
    }
}
