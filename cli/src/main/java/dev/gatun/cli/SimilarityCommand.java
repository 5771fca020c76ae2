package dev.gatun.cli;

import dev.gatun.model.InputException;
import dev.gatun.model.TextEmbedder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun similarity}: how alike texts are. */
final class SimilarityCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Prints how alike the first text is to each of the others: -1 to 1, and the text.")
                .description("The number is the cosine of the angle between their vectors.");
        spec.addPositional(EmbedCommand.texts("two or more texts, in quotes"));
        spec.addOption(ModelOption.spec("as for embed; default: " + NamedModel.DEFAULT));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<String> texts = invocation.parameter(List.of());
        if (texts.size() < 2) {
            throw new Failure("similarity: " + texts.size() + " texts; give two or more");
        }
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                TextEmbedder embedder = TextEmbedder.open(ModelOption.folder(invocation), backend)) {
            float[][] vectors = embedder.embedAll(texts);
            for (int i = 1; i < vectors.length; i++) {
                float similarity = TextEmbedder.similarity(vectors[0], vectors[i]);
                invocation
                        .results()
                        .line(String.format(Locale.ROOT, "%.4f ", similarity) + ErrorLine.printable(texts.get(i)));
            }
        } catch (InputException e) {
            throw new Failure("similarity: " + e.getMessage(), e);
        }
        return 0;
    }
}
