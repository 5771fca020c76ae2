package dev.gatun.spark;

import dev.gatun.ops.Backend;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.param.ParamValidators;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWritable;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Puts beside a column of texts one of what a model makes of them, batch by batch: vectors, labels, scores or translations.
 *
 * <pre>{@code
 * Dataset<Row> vectors = new TextTransformer()
 *         .setTask("embed")
 *         .setModel("/models/all-MiniLM-L6-v2")
 *         .setInputCol("text")
 *         .setOutputCol("vector")
 *         .transform(texts);
 * }</pre>
 *
 * <p>An executor maps a model once; a task computes on {@code spark.task.cpus} threads. Executors need the JVM options {@code
 * --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED}, by {@code spark.executor.extraJavaOptions}.
 */
public final class TextTransformer extends Transformer implements DefaultParamsWritable {
    private static final long serialVersionUID = 1;

    private final String uid;
    private final Param<String> task;
    private final Param<String> model;
    private final Param<String> inputCol;
    private final Param<String> outputCol;
    private final Param<String> queryCol;
    private final Param<String> backend;

    /** With a uid of its own. */
    public TextTransformer() {
        this(Identifiable.randomUID("textTransformer"));
    }

    /** As Spark makes copies and reads what was saved. */
    public TextTransformer(String uid) {
        this.uid = uid;
        task = oneOf("task", "what texts are turned into", names(TextTask.values()));
        model = new Param<>(this, "model", "a path on every machine");
        inputCol = new Param<>(this, "inputCol", "column of texts");
        outputCol = new Param<>(this, "outputCol", "column to be made");
        queryCol = new Param<>(this, "queryCol", "column of what texts are compared with, for the task rerank");
        backend = oneOf("backend", "who computes", names(Backend.Kind.values()));
        setDefault(task, TextTask.EMBED.toString());
        setDefault(backend, Backend.Kind.VECTOR.toString());
    }

    private Param<String> oneOf(String name, String what, List<String> values) {
        return new Param<>(this, name, what + ": one of " + values, ParamValidators.inArray(values));
    }

    private static List<String> names(Enum<?>[] values) {
        return Arrays.stream(values).map(Enum::toString).toList();
    }

    /** A reader of what {@link #write} has written; pipelines ask for it by this name. */
    public static DefaultParamsReader<TextTransformer> read() {
        return new DefaultParamsReader<>();
    }

    /** What was saved at a path. */
    public static TextTransformer load(String path) {
        return read().load(path);
    }

    /** What texts are turned into. */
    public Param<String> task() {
        return task;
    }

    /** Which model. */
    public Param<String> model() {
        return model;
    }

    /** The column of texts. */
    public Param<String> inputCol() {
        return inputCol;
    }

    /** The column to be made. */
    public Param<String> outputCol() {
        return outputCol;
    }

    /** The column of queries. */
    public Param<String> queryCol() {
        return queryCol;
    }

    /** Who computes. */
    public Param<String> backend() {
        return backend;
    }

    /** Embed (the default), classify, rerank or translate, in small letters: {@link TextTask} says what each makes. */
    public TextTransformer setTask(String value) {
        set(task, value);
        return this;
    }

    /**
     * A path of a model's folder, or of a packed model, that is there on every machine; or {@code demo} for the translator that comes
     * with us.
     */
    public TextTransformer setModel(String value) {
        set(model, value);
        return this;
    }

    /** The column of texts, which are strings. */
    public TextTransformer setInputCol(String value) {
        set(inputCol, value);
        return this;
    }

    /** The column to be made; there must be none of this name. */
    public TextTransformer setOutputCol(String value) {
        set(outputCol, value);
        return this;
    }

    /** The column of what texts are compared with, for the task rerank. */
    public TextTransformer setQueryCol(String value) {
        set(queryCol, value);
        return this;
    }

    /** Who computes: vector (the default), machine and scalar give the same bits; openblas and auto need not. */
    public TextTransformer setBackend(String value) {
        set(backend, value);
        return this;
    }

    @Override
    public String uid() {
        return uid;
    }

    private TextTask chosen() {
        return TextTask.of(getOrDefault(task));
    }

    /**
     * The columns with one more.
     *
     * @throws IllegalArgumentException if a column is missing or no string, the new one is there already, or a parameter is not set
     */
    @Override
    public StructType transformSchema(StructType schema) {
        checkSet(model);
        stringColumn(schema, inputCol);
        if (chosen() == TextTask.RERANK) {
            stringColumn(schema, queryCol);
        } else if (isSet(queryCol)) {
            throw new IllegalArgumentException(uid + ": queryCol is for the task rerank, not for " + chosen());
        }
        checkSet(outputCol);
        String out = getOrDefault(outputCol);
        if (Arrays.asList(schema.fieldNames()).contains(out)) {
            throw new IllegalArgumentException(uid + ": outputCol " + out + ": there is such a column already");
        }
        return schema.add(out, chosen().type(), true);
    }

    private void checkSet(Param<String> param) {
        if (!isDefined(param)) {
            throw new IllegalArgumentException(uid + ": " + param.name() + " is not set");
        }
    }

    /** The index of a column of strings that a parameter names. */
    private int stringColumn(StructType schema, Param<String> param) {
        checkSet(param);
        String name = getOrDefault(param);
        int index = Arrays.asList(schema.fieldNames()).indexOf(name);
        if (index < 0) {
            throw new IllegalArgumentException(uid + ": " + param.name() + " " + name + ": there are only "
                    + Arrays.toString(schema.fieldNames()));
        }
        if (!schema.apply(index).dataType().equals(DataTypes.StringType)) {
            throw new IllegalArgumentException(uid + ": " + param.name() + " " + name + ": is a column of "
                    + schema.apply(index).dataType().simpleString() + ", wanted are strings");
        }
        return index;
    }

    /** The rows with one more column, made when they are asked for; throws as {@link #transformSchema}. */
    @Override
    public Dataset<Row> transform(Dataset<?> dataset) {
        StructType schema = dataset.schema();
        StructType wider = transformSchema(schema);
        var kind = Backend.Kind.valueOf(getOrDefault(backend).toUpperCase(Locale.ROOT));
        var transform = new PartitionTransform(
                new ModelKey(chosen(), getOrDefault(model), kind),
                stringColumn(schema, inputCol),
                chosen() == TextTask.RERANK ? stringColumn(schema, queryCol) : -1);
        return dataset.toDF().mapPartitions(transform, Encoders.row(wider));
    }

    @Override
    public TextTransformer copy(ParamMap extra) {
        return defaultCopy(extra);
    }
}
