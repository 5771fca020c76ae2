package dev.gatun.cli;

import dev.gatun.model.Reranker;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun rerank}: which texts answer a query best. */
final class RerankCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Prints texts with their scores, the one that answers the query best first.")
                .description("The first TEXT is the query; without more, each line of --file or stdin is a text.");
        spec.addPositional(EmbedCommand.texts("the query, then texts, in quotes"));
        spec.addOption(ModelOption.spec("folder of a cross-encoder"));
        spec.addOption(
                CommonOptions.path("--file", "FILE", "lines of this file; of .jsonl the field \"text\" of each"));
        spec.addOption(CommonOptions.option("--top", "N", Integer.class, "print the best N only"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<String> given = invocation.parameter(List.of());
        if (given.isEmpty()) {
            throw new Failure("rerank: no query; give it as the first TEXT, in quotes");
        }
        int top = CommonOptions.number(invocation, "--top", Integer.MAX_VALUE);
        List<String> texts = texts(invocation, given.subList(1, given.size()));
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                Reranker reranker = Reranker.open(ModelOption.required(invocation, "rerank"), backend)) {
            List<Reranker.Ranked> ranked = reranker.rank(given.getFirst(), texts);
            for (Reranker.Ranked text : ranked.subList(0, Math.min(top, ranked.size()))) {
                invocation
                        .results()
                        .line(String.format(Locale.ROOT, "%.4f ", text.score()) + ErrorLine.printable(text.text()));
            }
        }
        return 0;
    }

    private static List<String> texts(Invocation invocation, List<String> given) throws IOException {
        Path file = invocation.option("--file", Path.class);
        if (file != null && !given.isEmpty()) {
            throw new Failure("rerank: more than one TEXT and --file; give one of them");
        }
        if (!given.isEmpty()) {
            return given;
        }
        if (file == null && invocation.inIsTerminal().getAsBoolean()) {
            throw new Failure("rerank: no texts; give them after the query, in a --file, or as lines on stdin");
        }
        try (TextSource source = file == null ? TextSource.ofStdin(invocation) : TextSource.ofFile(file, "text")) {
            List<String> texts = new ArrayList<>();
            for (String text; (text = source.next()) != null; ) {
                texts.add(text);
            }
            return texts;
        }
    }
}
