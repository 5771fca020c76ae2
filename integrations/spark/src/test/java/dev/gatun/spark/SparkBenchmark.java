package dev.gatun.spark;

import dev.gatun.model.TextEmbedder;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
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

    /** Texts that each way has at a time. */
    private static final int ROUND = 100_000;

    private SparkBenchmark() {}

    /**
     * Prints the rates.
     *
     * @param args the model, as {@link TextTransformer#setModel} takes it; the number of texts; who computes
     */
    public static void main(String[] args) throws IOException {
        String model = args[0];
        int n = Integer.parseInt(args[1]);
        var kind = Backend.Kind.valueOf(args[2].toUpperCase(Locale.ROOT));
        int cores = Runtime.getRuntime().availableProcessors();
        double one;
        try (var process = new OneProcess(model, kind, 1)) {
            one = process.rate(0, Math.min(n, ROUND / 4));
        }
        Path folder = Files.createTempDirectory("gatun-spark");
        var shares = new ArrayList<Double>();
        double processSeconds = 0;
        double clusterSeconds = 0;
        try (var process = new OneProcess(model, kind, cores);
                SparkSession spark = LocalCluster.start(cores, 1, folder)) {
            var cluster = new Cluster(spark, model, kind, 4 * cores);
            // In turns, so that what the machine is slow for at one time does not fall on one of them.
            for (int from = 0; from < n; from += ROUND) {
                int to = Math.min(n, from + ROUND);
                double all = process.rate(from, to);
                double spread = cluster.rate(from, to);
                processSeconds += (to - from) / all;
                clusterSeconds += (to - from) / spread;
                shares.add(spread / all);
            }
            if (process.bits != cluster.bits) {
                throw new IllegalStateException("bits " + process.bits + " and " + cluster.bits + ": must be equal");
            }
        }
        Collections.sort(shares);
        System.out.printf(
                Locale.ROOT,
                "%,d texts, equal bit for bit; a core: %.1f texts/s in a process of one thread, %.1f in a process of"
                    + " %d, %.1f on the cluster: %.1f %% of the process of %d; rounds %.1f %% to %.1f %%, median %.1f"
                    + " %%%n",
                n,
                one,
                n / processSeconds / cores,
                cores,
                n / clusterSeconds / cores,
                100 * processSeconds / clusterSeconds,
                cores,
                100 * shares.getFirst(),
                100 * shares.getLast(),
                100 * shares.get(shares.size() / 2));
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

    /** One process with a model of its own; closing it closes them. */
    private static final class OneProcess implements AutoCloseable {
        private final Backend backend;
        private final TextEmbedder embedder;
        private final String name;
        private long bits;

        OneProcess(String model, Backend.Kind kind, int threads) throws IOException {
            backend = Backend.open(new Backend.Options(kind, threads, null));
            embedder = TextEmbedder.open(ModelFolder.of(Path.of(model)), backend);
            name = "one process, " + threads + " threads";
            backend.warmUp((done, steps) -> {});
            embed(0, 8192); // compiles what is not a kernel
        }

        double rate(int from, int to) {
            long start = System.nanoTime();
            bits += embed(from, to);
            return print(name, from, to, start);
        }

        private long embed(int from, int to) {
            long sum = 0;
            for (int first = from; first < to; first += 4096) {
                List<String> texts = new ArrayList<>(LongStream.range(first, Math.min(to, first + 4096))
                        .mapToObj(SparkBenchmark::text)
                        .toList());
                texts.sort(Comparator.comparingInt(String::length));
                for (float[] vector : embedder.embedAll(texts)) {
                    long hash = 0;
                    for (float value : vector) {
                        hash = 31 * hash + Float.floatToRawIntBits(value);
                    }
                    sum += hash;
                }
            }
            return sum;
        }

        @Override
        public void close() {
            embedder.close();
            backend.close();
        }
    }

    /** The cluster, which opens its models when it gets its first texts. */
    private static final class Cluster {
        private final SparkSession spark;
        private final String model;
        private final Backend.Kind kind;
        private final int partitions;
        private long bits;

        Cluster(SparkSession spark, String model, Backend.Kind kind, int partitions) {
            this.spark = spark;
            this.model = model;
            this.kind = kind;
            this.partitions = partitions;
            embed(0, 2048 * partitions); // opens models, compiles
        }

        double rate(int from, int to) {
            long start = System.nanoTime();
            bits += embed(from, to);
            return print("cluster, " + partitions + " partitions", from, to, start);
        }

        private long embed(int from, int to) {
            Dataset<Row> texts = spark.range(from, to, 1, partitions)
                    .map((MapFunction<Long, String>) SparkBenchmark::text, Encoders.STRING())
                    .toDF("text");
            return new TextTransformer()
                    .setModel(model)
                    .setBackend(kind.name().toLowerCase(Locale.ROOT))
                    .setInputCol("text")
                    .setOutputCol("vector")
                    .transform(texts)
                    .map((MapFunction<Row, Long>) row -> hash(row.getList(1)), Encoders.LONG())
                    .reduce((ReduceFunction<Long>) Long::sum);
        }
    }

    private static long hash(List<Float> vector) {
        long hash = 0;
        for (float value : vector) {
            hash = 31 * hash + Float.floatToRawIntBits(value);
        }
        return hash;
    }

    private static double print(String where, int from, int to, long start) {
        double seconds = (System.nanoTime() - start) / 1e9;
        System.out.printf(
                Locale.ROOT,
                "%s: texts %,d to %,d in %.1f s, %.1f/s%n",
                where,
                from,
                to,
                seconds,
                (to - from) / seconds);
        return (to - from) / seconds;
    }
}
