package dev.gatun.cli;

import dev.gatun.model.FillMask;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun fill-mask}: what fits into the gaps of a text. */
final class FillMaskCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Prints the tokens that fit best into each gap of a text, with their probabilities.")
                .description("A gap is the model's own mask token, [MASK] or <mask>.");
        spec.addPositional(EmbedCommand.texts("a text with gaps, in quotes"));
        spec.addOption(ModelOption.spec("folder of a masked language model"));
        spec.addOption(CommonOptions.option("--top", "N", Integer.class, "tokens to print for each gap; default: 5"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<String> texts = invocation.parameter(List.of());
        if (texts.size() != 1) {
            throw new Failure("fill-mask: " + texts.size() + " texts; give one, in quotes");
        }
        int top = CommonOptions.number(invocation, "--top", 5);
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                FillMask fillMask = FillMask.open(ModelOption.required(invocation, "fill-mask"), backend)) {
            List<List<FillMask.Candidate>> gaps = fillMask.fill(texts.getFirst(), top);
            for (int i = 0; i < gaps.size(); i++) {
                if (gaps.size() > 1) {
                    invocation.results().line("gap " + (i + 1) + ":");
                }
                for (FillMask.Candidate candidate : gaps.get(i)) {
                    invocation
                            .results()
                            .line(String.format(Locale.ROOT, "%.4f ", candidate.score())
                                    + ErrorLine.printable(candidate.token()));
                }
            }
        }
        return 0;
    }
}
