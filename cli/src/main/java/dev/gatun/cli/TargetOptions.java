package dev.gatun.cli;

import dev.gatun.model.generate.GenerationConfig;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Model.CommandSpec;

/** Options of what an encoder-decoder writes: beams, lengths, repetitions. */
final class TargetOptions {
    private TargetOptions() {}

    static void add(CommandSpec spec) {
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
                "--max-tokens", "N", Integer.class, "tokens that a result has at most; default: as the model says"));
        spec.addOption(CommonOptions.option(
                "--min-tokens", "N", Integer.class, "tokens before its end at least; default: as the model says"));
        spec.addOption(CommonOptions.option(
                "--no-repeat-ngram",
                "N",
                Integer.class,
                "no N tokens come twice in a row of a result, 0 for any; default: as the model says"));
    }

    /** What the options change of a model's settings; they are checked before a model is loaded. */
    static UnaryOperator<GenerationConfig> of(Invocation invocation) {
        Integer beams = within(invocation, "--beams", 1, GenerationConfig.MAX_BEAMS);
        Float lengthPenalty = invocation.option("--length-penalty", Float.class);
        if (lengthPenalty != null && !Float.isFinite(lengthPenalty)) {
            throw new Failure("--length-penalty " + lengthPenalty + ": must be a finite number");
        }
        Integer maxTokens = within(invocation, "--max-tokens", 1, Integer.MAX_VALUE);
        Integer minTokens = within(invocation, "--min-tokens", 0, Integer.MAX_VALUE);
        Integer ngram = within(invocation, "--no-repeat-ngram", 0, Integer.MAX_VALUE);
        return settings -> {
            GenerationConfig changed = beams == null ? settings : settings.withBeams(beams);
            changed = lengthPenalty == null ? changed : changed.withLengthPenalty(lengthPenalty);
            changed = changed.withTokens(
                    minTokens == null ? changed.minTokens() : minTokens,
                    maxTokens == null ? changed.maxTokens() : maxTokens);
            return ngram == null ? changed : changed.withRules(changed.rules().withNoRepeatNgram(ngram));
        };
    }

    private static @org.jspecify.annotations.Nullable Integer within(
            Invocation invocation, String option, int least, int most) {
        Integer value = invocation.option(option, Integer.class);
        if (value != null && (value < least || value > most)) {
            throw new Failure(option + " " + value + ": must be "
                    + (most == Integer.MAX_VALUE ? "at least " + least : least + " to " + most));
        }
        return value;
    }
}
