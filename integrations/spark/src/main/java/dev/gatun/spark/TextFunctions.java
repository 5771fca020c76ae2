package dev.gatun.spark;

import dev.gatun.ops.Backend;
import dev.gatun.spark.ColumnModel.Text;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF2;
import org.apache.spark.sql.api.java.UDF3;
import org.jspecify.annotations.Nullable;

/**
 * Functions for SQL:
 *
 * <pre>
 * gatun_embed(model, text)           array&lt;float&gt;
 * gatun_classify(model, text)        array&lt;struct&lt;label: string, score: float&gt;&gt;, the best first
 * gatun_rerank(model, query, text)   float
 * gatun_translate(model, text)       string
 * </pre>
 *
 * <p>The model is what {@link TextTransformer#setModel} takes; where an argument is null the result is. Spark calls a function for one
 * row at a time: for whole columns the transformer, which computes in batches, is faster.
 */
public final class TextFunctions {
    private TextFunctions() {}

    /** Makes the functions known to a session, computing with the vector kernels: bits do not depend on where a row is computed. */
    public static void register(SparkSession spark) {
        register(spark, Backend.Kind.VECTOR);
    }

    /** As the other, where {@code kind} computes: {@code openblas} and {@code auto} may round differently from run to run. */
    public static void register(SparkSession spark, Backend.Kind kind) {
        for (TextTask task : TextTask.values()) {
            String name = "gatun_" + task;
            if (task == TextTask.RERANK) {
                UDF3<String, String, String, Object> function =
                        (model, query, text) -> value(task, kind, model, query, text);
                spark.udf().register(name, function, task.type());
            } else {
                UDF2<String, String, Object> function = (model, text) -> value(task, kind, model, "", text);
                spark.udf().register(name, function, task.type());
            }
        }
    }

    private static @Nullable Object value(
            TextTask task, Backend.Kind kind, @Nullable String model, @Nullable String query, @Nullable String text) {
        if (model == null || query == null || text == null) {
            return null;
        }
        var key = new ModelKey(task, model, kind);
        List<Text> texts = List.of(new Text(text, query));
        @Nullable TaskContext running = TaskContext.get();
        // Where all arguments are constants Spark calls a function while it plans, in no task.
        return running == null
                ? ExecutorModels.ofThisJvm().use(key, open -> open.values(texts)[0])
                : ExecutorModels.ofThisJvm().forTask(key, running).values(texts)[0];
    }
}
