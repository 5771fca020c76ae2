package dev.gatun.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.gatun.model.weights.GgufFile;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Weights;
import java.io.IOException;
import java.io.StringWriter;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;

/** {@code gatun inspect}: what is in a model's files. */
final class InspectCommand implements Command {
    private static final String CONFIG = "config.json";

    /** Longer settings are cut: a file may have a megabyte there. */
    private static final int MAX_SETTING = 200;

    @Override
    public CommandSpec spec() {
        CommandSpec spec = CommandSpec.wrapWithoutInspection(this);
        spec.usageMessage()
                .header("Prints the settings and the tensors of a model's folder or file.")
                .description("The last line has the totals.");
        spec.addPositional(CommonOptions.path("FILE|DIR", "safetensors or GGUF file, or folder of a model"));
        spec.addOption(CommonOptions.flag("--json", "one JSON object a tensor instead, and nothing else"));
        return spec;
    }

    @Override
    public int run(Invocation invocation) throws IOException {
        Path path = invocation.parameter(Path.of(""));
        Results results = invocation.results();
        try (Weights weights = Weights.open(path)) {
            if (invocation.flag("--json")) {
                for (String name : weights.names()) {
                    results.line(object(name, weights.describe(name)));
                }
            } else {
                if (path.toString().endsWith(".gguf")) {
                    metadata(path, results);
                } else if (Files.exists(path.resolve(CONFIG))) {
                    settings(JsonConfig.read(ModelFolder.of(path), CONFIG), results);
                }
                table(weights, results);
            }
        }
        return 0;
    }

    private static String object(String name, Weights.Description tensor) throws IOException {
        var text = new StringWriter();
        try (JsonGenerator generator = new JsonFactory().createGenerator(text)) {
            generator.writeStartObject();
            generator.writeStringField("name", name);
            generator.writeStringField("dtype", tensor.type());
            generator.writeFieldName("shape");
            generator.writeArray(tensor.shape().toArray(), 0, tensor.shape().rank());
            generator.writeNumberField("elements", tensor.shape().elements());
            generator.writeNumberField("bytes", tensor.byteSize());
            generator.writeEndObject();
        }
        return text.toString();
    }

    private static void settings(JsonConfig config, Results results) {
        for (String key : config.keys()) {
            String value = setting(config, key);
            if (value != null) {
                line(key, value, results);
            }
        }
        results.line("");
    }

    private static void line(String key, String value, Results results) {
        String cut = value.length() <= MAX_SETTING ? value : value.substring(0, MAX_SETTING) + "...";
        results.line(ErrorLine.printable(key + " = " + cut));
    }

    private static void metadata(Path path, Results results) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            GgufFile file = GgufFile.open(path, arena);
            for (String key : file.keys()) {
                Object value = file.value(key);
                line(key, value == null ? file.arrayLength(key) + " elements" : value.toString(), results);
            }
            results.line("");
        }
    }

    /** A single value as text; null for what is nested or null. */
    private static @Nullable String setting(JsonConfig config, String key) {
        if (!config.has(key) || config.isObject(key)) {
            return null;
        }
        if (config.isString(key)) {
            return config.requireString(key);
        }
        // A JsonConfig is asked for a type and says no by an exception; it does not say which type there is.
        try {
            return Boolean.toString(config.requireBoolean(key));
        } catch (ModelFormatException _) {
            return numeric(config, key);
        }
    }

    private static @Nullable String numeric(JsonConfig config, String key) {
        try {
            double value = config.requireDouble(key, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY);
            return value == Math.rint(value) && Math.abs(value) < 1L << 53
                    ? Long.toString((long) value)
                    : Double.toString(value);
        } catch (ModelFormatException _) {
            return null; // a list, or NaN
        }
    }

    private static void table(Weights weights, Results results) {
        int names = "tensor".length();
        int shapes = "shape".length();
        for (String name : weights.names()) {
            names = Math.max(names, ErrorLine.printable(name).length());
            shapes = Math.max(shapes, weights.describe(name).shape().toString().length());
        }
        String row = "%-" + names + "s  %-5s  %-" + shapes + "s  %15s";
        results.line(String.format(Locale.ROOT, row, "tensor", "dtype", "shape", "bytes"));
        long elements = 0;
        long bytes = 0;
        for (String name : weights.names()) {
            Weights.Description tensor = weights.describe(name);
            elements += tensor.shape().elements();
            bytes += tensor.byteSize();
            results.line(String.format(
                    Locale.ROOT,
                    row,
                    ErrorLine.printable(name),
                    tensor.type(),
                    tensor.shape(),
                    String.format(Locale.ROOT, "%,d", tensor.byteSize())));
        }
        results.line(String.format(
                Locale.ROOT,
                "%,d tensors, %,d parameters, %,d bytes in files of %,d bytes",
                weights.names().size(),
                elements,
                bytes,
                weights.byteSize()));
    }
}
