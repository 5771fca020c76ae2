package dev.gatun.cli;

import dev.gatun.memory.MemoryBudget;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.RowFormat;
import dev.gatun.model.ModelPlan;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** {@code gatun plan}: what a model and a session will take. */
final class PlanCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Prints what a model and a session will take, to the byte, before anything is allocated.")
                .description("What is mapped is file pages, which the system shares and may drop. With --budget, exit"
                        + " code 1 says that it does not fit, and the last line what would. The JVM, its heap and the"
                        + " tokenizer's vocabulary come on top.");
        spec.addPositional(PositionalParamSpec.builder()
                .paramLabel("MODEL")
                .required(true)
                .type(String.class)
                .description("GGUF file, folder of a model, or what --model takes elsewhere")
                .build());
        spec.addOption(CommonOptions.option(
                "--ctx",
                "N",
                Integer.class,
                "tokens of a sequence; default: all positions of the model, of a decoder at most "
                        + TextGenerator.DEFAULT_CTX));
        spec.addOption(CommonOptions.option("--batch", "B", Integer.class, "sequences at once; default: 1"));
        spec.addOption(CommonOptions.option("--beams", "N", Integer.class, "hypotheses of each source; default: 1"));
        spec.addOption(GenerationOptions.weights());
        spec.addOption(GenerationOptions.cache());
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        int batch = CommonOptions.number(invocation, "--batch", 1);
        int beams = CommonOptions.number(invocation, "--beams", 1);
        WeightFormat format = GenerationOptions.format(invocation);
        RowFormat cache = GenerationOptions.cache(invocation).format();
        String name = invocation.parameter("");
        MemoryBudget budget = CommonOptions.budget(invocation);
        Backend.Options options = CommonOptions.backend(invocation).with(MemoryBudget.unlimited());
        try (Backend backend = Backend.open(options)) {
            int ctx;
            MemoryPlan plan;
            List<String> changes;
            try (ModelPlan model = ModelOption.plan(name, invocation, backend, format)) {
                ctx = CommonOptions.number(invocation, "--ctx", Math.min(model.positions(), TextGenerator.DEFAULT_CTX));
                plan = at(model, ctx, batch, beams, cache);
                changes = model.wouldFit(budget.free(), ctx, batch, beams, cache);
            }
            Results results = invocation.results();
            plan.toString().lines().forEach(results::line);
            if (plan.totalBytes() <= budget.free()) {
                return 0;
            }
            changes = new ArrayList<>(changes);
            for (var smaller : new TreeMap<>(GenerationOptions.FORMATS).entrySet()) {
                try (ModelPlan model = ModelOption.plan(name, invocation, backend, smaller.getValue())) {
                    if (at(model, ctx, batch, beams, cache).totalBytes() <= budget.free()) {
                        changes.add("--weights " + smaller.getKey());
                    }
                }
            }
            results.line(String.format(
                    Locale.ROOT,
                    "%,d bytes more than the budget of %,d; %s",
                    plan.totalBytes() - budget.free(),
                    budget.free(),
                    changes.isEmpty() ? "nothing smaller would fit" : "would fit: " + String.join(", or ", changes)));
            return 1;
        }
    }

    private static MemoryPlan at(ModelPlan model, int ctx, int batch, int beams, RowFormat cache) {
        try {
            return model.at(ctx, batch, beams, cache);
        } catch (IllegalArgumentException e) {
            throw new Failure("plan: " + e.getMessage(), e);
        }
    }
}
