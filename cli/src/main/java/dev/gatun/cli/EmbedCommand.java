package dev.gatun.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.gatun.model.InputException;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** {@code gatun embed}: a vector for each text. */
final class EmbedCommand implements Command {
    /** Texts that are read before they are embedded: packed batches of tokens are filled from these. */
    private static final int TEXTS = 256;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Prints a vector for each text.")
                .description("Without TEXT and --file, each line of stdin is a text.");
        spec.addPositional(texts("a text, in quotes; several are several texts"));
        spec.addOption(
                ModelOption.spec("folder of an encoder (sentence-transformers, safetensors or ONNX), or the name of"
                        + " one whose jar is on the class path; default: " + NamedModel.DEFAULT));
        spec.addOption(
                CommonOptions.flag("--json", "an object {\"text\", \"embedding\"} a line, and not just numbers"));
        spec.addOption(CommonOptions.path("--file", "FILE", "lines of this file; of .jsonl the field of each object"));
        spec.addOption(CommonOptions.option("--field", "NAME", String.class, "of an object in .jsonl; default: text"));
        spec.addOption(CommonOptions.path(
                "--output", "FILE.npy", "write the vectors as a NumPy array, and nothing to stdout"));
        spec.addOption(
                CommonOptions.option("--prompt", "NAME", String.class, "which of the model's prompts to put before"));
        return spec;
    }

    /** Any number of texts. */
    static PositionalParamSpec texts(String description) {
        return PositionalParamSpec.builder()
                .paramLabel("TEXT")
                .arity("0..*")
                .type(List.class)
                .auxiliaryTypes(String.class)
                .description(description)
                .build();
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path output = invocation.option("--output", Path.class);
        if (output != null && !output.toString().toLowerCase(Locale.ROOT).endsWith(".npy")) {
            throw new Failure("--output " + output + ": must end in .npy");
        }
        Backend.Options options = CommonOptions.backend(invocation);
        try (TextSource source = source(invocation)) {
            Beside<ModelFolder> folder = Beside.start(() -> ModelOption.folder(invocation));
            try (Backend backend = Backend.open(options);
                    TextEmbedder embedder = TextEmbedder.open(folder.result(), backend)) {
                write(source, embedder, output, invocation);
            }
        }
        return 0;
    }

    private static void write(TextSource source, TextEmbedder embedder, @Nullable Path output, Invocation invocation)
            throws IOException {
        if (output == null) {
            embed(source, embedder, invocation, null);
            return;
        }
        try (NpyWriter writer = new NpyWriter(output, embedder.dimensions())) {
            embed(source, embedder, invocation, writer);
            writer.finish();
        }
    }

    /** What the options say of where texts are. */
    private static TextSource source(Invocation invocation) throws IOException {
        List<String> texts = invocation.parameter(List.of());
        Path file = invocation.option("--file", Path.class);
        String field = invocation.option("--field", String.class);
        if (file != null) {
            if (!texts.isEmpty()) {
                throw new Failure("embed: TEXT and --file; give one of them");
            }
            return TextSource.ofFile(file, field == null ? "text" : field);
        }
        if (texts.isEmpty()) {
            if (invocation.inIsTerminal().getAsBoolean()) {
                throw new Failure("embed: no TEXT; give one in quotes, a --file, or lines on stdin");
            }
            return TextSource.ofStdin(invocation);
        }
        return TextSource.of(texts);
    }

    private static void embed(
            TextSource source, TextEmbedder embedder, Invocation invocation, @Nullable NpyWriter writer)
            throws IOException {
        Path file = invocation.option("--file", Path.class);
        try (Progress progress = file == null
                ? null
                : new Progress(
                        invocation.log(), "embed", Files.size(file), Progress.Unit.TEXTS, Progress.isWatched())) {
            List<String> texts = new ArrayList<>();
            int first = 1;
            for (String text; invocation.results().isRead() && (text = source.next()) != null; ) {
                texts.add(text);
                // Who writes a line and waits gets its vector: lines are gathered while they are there already.
                if (texts.size() == TEXTS || !source.ready()) {
                    embed(texts, first, source, embedder, invocation, writer, progress);
                    first += texts.size();
                    texts.clear();
                }
            }
            embed(texts, first, source, embedder, invocation, writer, progress);
        }
    }

    private static long bytes(List<String> texts) {
        long bytes = 0;
        for (String text : texts) {
            bytes += text.getBytes(StandardCharsets.UTF_8).length + 1;
        }
        return bytes;
    }

    /** Embeds and prints; a text that cannot be read is an error that says which, after the vectors of those before it. */
    private static void embed(
            List<String> texts,
            int first,
            TextSource source,
            TextEmbedder embedder,
            Invocation invocation,
            @Nullable NpyWriter writer,
            @Nullable Progress progress)
            throws IOException {
        float[][] vectors;
        try {
            vectors = embedder.embedAll(texts, invocation.option("--prompt", String.class));
        } catch (InputException e) {
            if (texts.size() == 1) {
                throw new Failure(source.where(first) + e.getMessage(), e);
            }
            for (int i = 0; i < texts.size(); i++) {
                embed(List.of(texts.get(i)), first + i, source, embedder, invocation, writer, progress);
            }
            return;
        }
        boolean json = invocation.flag("--json");
        for (int i = 0; i < vectors.length; i++) {
            if (writer != null) {
                writer.write(vectors[i]);
            } else {
                invocation.results().line(json ? object(texts.get(i), vectors[i]) : numbers(vectors[i]));
            }
        }
        invocation.results().flush();
        if (progress != null) {
            progress.step(texts.size(), bytes(texts));
        }
    }

    private static String object(String text, float[] vector) throws IOException {
        var json = new StringWriter();
        try (JsonGenerator generator = new JsonFactory().createGenerator(json)) {
            generator.writeStartObject();
            generator.writeStringField("text", text);
            generator.writeArrayFieldStart("embedding");
            for (float value : vector) {
                generator.writeNumber(value);
            }
            generator.writeEndArray();
            generator.writeEndObject();
        }
        return json.toString();
    }

    private static String numbers(float[] vector) {
        var text = new StringBuilder();
        for (float value : vector) {
            text.append(text.isEmpty() ? "" : " ").append(value);
        }
        return text.toString();
    }
}
