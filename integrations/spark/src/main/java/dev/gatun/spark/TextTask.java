package dev.gatun.spark;

import dev.gatun.model.Reranker;
import dev.gatun.model.TextClassifier;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.Translator;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;

/** What a column of texts is turned into. */
public enum TextTask {
    /** A vector: {@code array<float>}. */
    EMBED(new ArrayType(DataTypes.FloatType, false)),
    /** The labels with their scores, the best first: {@code array<struct<label: string, score: float>>}. */
    CLASSIFY(new ArrayType(
            DataTypes.createStructType(new StructField[] {
                DataTypes.createStructField("label", DataTypes.StringType, false),
                DataTypes.createStructField("score", DataTypes.FloatType, false)
            }),
            false)),
    /** How well a text answers a query: {@code float}. */
    RERANK(DataTypes.FloatType),
    /** The text in another language: {@code string}. */
    TRANSLATE(DataTypes.StringType);

    /** The name, in place of a path, of the translator that comes with us. */
    static final String DEMO = "demo";

    @SuppressWarnings("ImmutableEnumChecker") // Spark's types are values
    private final DataType type;

    TextTask(DataType type) {
        this.type = type;
    }

    /** The type of the results' column, in which a null text's result is null. */
    public DataType type() {
        return type;
    }

    /** The name as a parameter, in small letters. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The task of this name.
     *
     * @throws IllegalArgumentException if there is none
     */
    static TextTask of(String name) {
        return Arrays.stream(values())
                .filter(task -> task.toString().equals(name))
                .findFirst()
                .orElseThrow(() ->
                        new IllegalArgumentException("task " + name + ": must be one of " + Arrays.toString(values())));
    }

    /**
     * Opens a model for this task.
     *
     * @param model a path on this machine, or {@link #DEMO} for translation
     */
    ColumnModel open(String model, Backend backend) throws IOException {
        return switch (this) {
            case EMBED -> new ColumnModel.Embedding(TextEmbedder.open(ModelFolder.of(Path.of(model)), backend));
            case CLASSIFY ->
                new ColumnModel.Classification(TextClassifier.open(ModelFolder.of(Path.of(model)), backend));
            case RERANK -> new ColumnModel.Ranking(Reranker.open(ModelFolder.of(Path.of(model)), backend));
            case TRANSLATE ->
                new ColumnModel.Translation(
                        model.equals(DEMO)
                                ? Translator.openDemo(backend)
                                : Translator.open(ModelFolder.of(Path.of(model)), backend));
        };
    }
}
