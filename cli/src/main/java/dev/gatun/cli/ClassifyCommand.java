package dev.gatun.cli;

import dev.gatun.model.ImageClassifier;
import dev.gatun.model.ScoredLabel;
import dev.gatun.model.TextClassifier;
import dev.gatun.model.TokenClassifier;
import dev.gatun.model.encoder.EncoderModel;
import dev.gatun.model.encoder.Task;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun classify}: labels of texts, of names in texts, or of images, as the model was trained for. */
final class ClassifyCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Prints the labels of texts or images with their probabilities, the best first.")
                .description("With a model for token classification: each name found, with its label and place.");
        spec.addPositional(EmbedCommand.texts("a text, in quotes; for a model of images the path of one"));
        spec.addOption(ModelOption.spec("folder of a model for classification: of texts, tokens or images"));
        spec.addOption(CommonOptions.option("--top", "N", Integer.class, "labels to print for each; default: 5"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<String> inputs = invocation.parameter(List.of());
        if (inputs.isEmpty()) {
            throw new Failure("classify: no TEXT; give one in quotes, or the path of an image");
        }
        int top = CommonOptions.number(invocation, "--top", 5);
        ModelFolder folder = ModelOption.required(invocation, "classify");
        JsonConfig json = JsonConfig.read(folder, "config.json");
        try (Backend backend = Backend.open(CommonOptions.backend(invocation))) {
            if (EncoderModel.isOfImages(json)) {
                try (ImageClassifier classifier = ImageClassifier.open(folder, backend)) {
                    for (String path : inputs) {
                        print(invocation, path, classifier.classify(Path.of(path)), inputs.size(), top);
                    }
                }
            } else if (Task.of(json) == Task.CLASSIFY_TOKENS) {
                try (TokenClassifier classifier = TokenClassifier.open(folder, backend)) {
                    for (String text : inputs) {
                        print(invocation, text, classifier.entities(text), inputs.size());
                    }
                }
            } else {
                try (TextClassifier classifier = TextClassifier.open(folder, backend)) {
                    List<List<ScoredLabel>> labels = classifier.classifyAll(inputs);
                    for (int i = 0; i < labels.size(); i++) {
                        print(invocation, inputs.get(i), labels.get(i), inputs.size(), top);
                    }
                }
            }
        }
        return 0;
    }

    private static void print(Invocation invocation, String input, List<ScoredLabel> labels, int inputs, int top) {
        header(invocation, input, inputs);
        for (ScoredLabel label : labels.subList(0, Math.min(top, labels.size()))) {
            invocation
                    .results()
                    .line(String.format(Locale.ROOT, "%.4f ", label.score()) + ErrorLine.printable(label.label()));
        }
    }

    private static void print(Invocation invocation, String input, List<TokenClassifier.Entity> entities, int inputs) {
        header(invocation, input, inputs);
        for (TokenClassifier.Entity entity : entities) {
            invocation
                    .results()
                    .line(String.format(
                            Locale.ROOT,
                            "%.4f %s %d-%d %s",
                            entity.score(),
                            ErrorLine.printable(entity.label()),
                            entity.start(),
                            entity.end(),
                            ErrorLine.printable(entity.text())));
        }
    }

    private static void header(Invocation invocation, String input, int inputs) {
        if (inputs > 1) {
            invocation.results().line(ErrorLine.printable(input) + ":");
        }
    }
}
