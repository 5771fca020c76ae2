package dev.gatun.spark;

import dev.gatun.model.TextEmbedder;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.api.java.function.ReduceFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * How many short texts a second become vectors: in one process, on one core and on all; then by executors of one core each. The sums of
 * all vectors' bits must be the same. See docs/BENCH.md.
 */
public final class SparkBenchmark {
    private static final String[] WORDS = {
        "the",
        "lake",
        "lifts",
        "ships",
        "over",
        "a",
        "mountain",
        "and",
        "water",
        "falls",
        "into",
        "two",
        "oceans",
        "at",
        "once",
        "gates",
        "open",
        "when",
        "levels",
        "meet",
        "captains",
        "wait",
        "for",
        "rain",
        "in",
        "dry",
        "years",
        "of",
        "less",
        "traffic"
    };

    private SparkBenchmark() {}

    /**
     * Prints the rates.
     *
     * @param args the model, as {@link TextTransformer#setModel} takes it; the number of texts; who computes
     */
    public static void main(String[] args) throws IOException {
        String model = args[0];
        int n = Integer.parseInt(args[1]);
        String kind = args[2];
        int cores = Runtime.getRuntime().availableProcessors();
        double one = inOneProcess(model, n / cores, kind, 1);
        double all = inOneProcess(model, n, kind, cores);
        Path folder = Files.createTempDirectory("gatun-spark");
        double cluster;
        try (SparkSession spark = LocalCluster.start(cores, 1, folder)) {
            cluster = onCluster(spark, model, n, kind, 4 * cores);
        }
        System.out.printf(
                Locale.ROOT,
                "a core: %.1f texts/s in a process of one thread, %.1f in a process of %d, %.1f on the cluster: %.1f"
                        + " %% and %.1f %%%n",
                one,
                all / cores,
                cores,
                cluster / cores,
                100 * cluster / cores / one,
                100 * cluster / all);
    }

    /** Text number {@code id}: 3 to 12 words. */
    private static String text(long id) {
        var random = new SplittableRandom(id);
        var text = new StringBuilder();
        for (int words = random.nextInt(3, 13); words > 0; words--) {
            text.append(text.isEmpty() ? "" : " ").append(WORDS[random.nextInt(WORDS.length)]);
        }
        return text.toString();
    }

    private static double inOneProcess(String model, int n, String kind, int threads) throws IOException {
        var options = new Backend.Options(Backend.Kind.valueOf(kind.toUpperCase(Locale.ROOT)), threads, null);
        try (Backend backend = Backend.open(options);
                TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(Path.of(model)), backend)) {
            backend.warmUp((done, steps) -> {});
            embed(embedder, 0, Math.min(n, 8192)); // compiles what is not a kernel
            long start = System.nanoTime();
            long bits = embed(embedder, 0, n);
            return rate("one process, " + threads + " threads", n, start, bits);
        }
    }

    private static long embed(TextEmbedder embedder, int from, int to) {
        long bits = 0;
        for (int first = from; first < to; first += 4096) {
            List<String> texts = new ArrayList<>(LongStream.range(first, Math.min(to, first + 4096))
                    .mapToObj(SparkBenchmark::text)
                    .toList());
            texts.sort(Comparator.comparingInt(String::length));
            for (float[] vector : embedder.embedAll(texts)) {
                long sum = 0;
                for (float value : vector) {
                    sum = 31 * sum + Float.floatToRawIntBits(value);
                }
                bits += sum;
            }
        }
        return bits;
    }

    private static double onCluster(SparkSession spark, String model, int n, String kind, int partitions) {
        vectors(spark, model, Math.min(n, 8192 * partitions / 4), kind, partitions); // opens models, compiles
        long start = System.nanoTime();
        long bits = vectors(spark, model, n, kind, partitions);
        return rate("cluster, " + partitions + " partitions", n, start, bits);
    }

    private static long vectors(SparkSession spark, String model, int n, String kind, int partitions) {
        Dataset<Row> texts = spark.range(0, n, 1, partitions)
                .map((MapFunction<Long, String>) SparkBenchmark::text, Encoders.STRING())
                .toDF("text");
        return new TextTransformer()
                .setModel(model)
                .setBackend(kind)
                .setInputCol("text")
                .setOutputCol("vector")
                .transform(texts)
                .map((MapFunction<Row, Long>) row -> bits(row.getList(1)), Encoders.LONG())
                .reduce((ReduceFunction<Long>) Long::sum);
    }

    private static long bits(List<Float> vector) {
        long sum = 0;
        for (float value : vector) {
            sum = 31 * sum + Float.floatToRawIntBits(value);
        }
        return sum;
    }

    private static double rate(String where, int n, long start, long bits) {
        double seconds = (System.nanoTime() - start) / 1e9;
        System.out.printf(
                Locale.ROOT, "%s: %,d texts in %.1f s, %.1f/s, bits %016x%n", where, n, seconds, n / seconds, bits);
        return n / seconds;
    }
}
