package dev.gatun.cli;

import dev.gatun.model.QuestionAnswerer;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun answer}: the words of a text that answer a question. */
final class AnswerCommand implements Command {
    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Prints the words of a text that answer a question, with their probability and place.")
                .description("The text is the second TEXT, or a whole file.");
        spec.addPositional(EmbedCommand.texts("the question, then the text, in quotes"));
        spec.addOption(ModelOption.spec("folder of a model for extractive question answering"));
        spec.addOption(CommonOptions.path("--file", "FILE", "the text"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        List<String> texts = invocation.parameter(List.of());
        Path file = invocation.option("--file", Path.class);
        if (texts.size() != (file == null ? 2 : 1)) {
            throw new Failure("answer: give a question and a text, or a question and --file");
        }
        String text = file == null ? texts.get(1) : read(file);
        try (Backend backend = Backend.open(CommonOptions.backend(invocation));
                QuestionAnswerer answerer =
                        QuestionAnswerer.open(ModelOption.required(invocation, "answer"), backend)) {
            QuestionAnswerer.Answer answer = answerer.answer(texts.getFirst(), text);
            invocation
                    .results()
                    .line(String.format(Locale.ROOT, "%.4f %d-%d ", answer.score(), answer.start(), answer.end())
                            + ErrorLine.printable(answer.text()));
        }
        return 0;
    }

    private static String read(Path file) throws IOException {
        try {
            return Files.readString(file);
        } catch (CharacterCodingException e) {
            throw new Failure(file + ": not UTF-8", e);
        }
    }
}
