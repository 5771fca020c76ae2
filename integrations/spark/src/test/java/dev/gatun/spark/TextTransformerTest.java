package dev.gatun.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.PackedModel;
import dev.gatun.model.Reranker;
import dev.gatun.model.ScoredLabel;
import dev.gatun.model.TextClassifier;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.Translator;
import dev.gatun.model.nn.WeightFormat;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two executors, one cluster for all tests: a start takes some seconds. */
class TextTransformerTest {
    private static final Path REPOSITORY = Path.of("../..").toAbsolutePath().normalize();
    private static final StructType SCHEMA = new StructType()
            .add("id", DataTypes.IntegerType)
            .add("query", DataTypes.StringType)
            .add("text", DataTypes.StringType);
    private static final int ROWS = 120;

    @TempDir
    private static Path folder;

    private static SparkSession spark;
    private static Dataset<Row> table;

    /** Texts of many lengths, some twice; each seventh row has none. */
    private static final List<Row> DATA = new ArrayList<>();

    @BeforeAll
    static void start() throws IOException {
        String[] words = {
            "a", "lock", "lifts", "ships", "the", "lake", "I", "love", "you", "two", "hundred", "and", "five"
        };
        for (int i = 0; i < ROWS; i++) {
            var text = new StringBuilder(words[i % words.length]);
            for (int w = 0; w < (i * 31) % 17; w++) {
                text.append(' ').append(words[(i + w * w) % words.length]);
            }
            DATA.add(RowFactory.create(i, "what is " + i % 3, i % 7 == 6 ? null : text.toString()));
        }
        spark = LocalCluster.start(2, 1, folder.resolve("spark"));
        table = spark.createDataFrame(DATA, SCHEMA).repartition(4);
    }

    @AfterAll
    static void stop() {
        if (spark != null) {
            spark.stop();
        }
    }

    /** A model of the reference data with the tokenizer of the model's tests. */
    private static Path golden(String name) throws IOException {
        Path copy = folder.resolve(name);
        if (!Files.exists(copy)) {
            Files.createDirectories(copy);
            try (Stream<Path> files =
                    Files.list(REPOSITORY.resolve("golden/models").resolve(name))) {
                for (Path file : files.toList()) {
                    Files.copy(file, copy.resolve(file.getFileName()));
                }
            }
            Files.copy(
                    REPOSITORY.resolve("model/src/test/resources/dev/gatun/model/tasks/tokenizer.json"),
                    copy.resolve("tokenizer.json"));
        }
        return copy;
    }

    private static Backend backend() {
        return Backend.open(new Backend.Options(Backend.Kind.SCALAR, 1, null));
    }

    private static TextTransformer transformer(TextTask task, String model) {
        return new TextTransformer()
                .setTask(task.toString())
                .setModel(model)
                .setBackend("scalar") // which nothing has to be compiled for
                .setInputCol("text")
                .setOutputCol("out");
    }

    /** The rows of a table by their ids. */
    private static List<Row> byId(Dataset<Row> rows) {
        return rows.orderBy("id").collectAsList();
    }

    private static float[] floats(Row row) {
        List<Float> list = row.getList(row.fieldIndex("out"));
        float[] floats = new float[list.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = list.get(i);
        }
        return floats;
    }

    private static void assertVectors(List<Row> rows, TextEmbedder embedder) {
        assertThat(rows).hasSize(ROWS);
        for (int i = 0; i < ROWS; i++) {
            assertThat(rows.get(i).getInt(0)).isEqualTo(i);
            String text = DATA.get(i).getString(2);
            if (text == null) {
                assertThat(rows.get(i).isNullAt(rows.get(i).fieldIndex("out"))).isTrue();
            } else {
                assertThat(floats(rows.get(i))).isEqualTo(embedder.embed(text));
            }
        }
    }

    @Test
    void vectorsHaveTheBitsOfOneProcess() throws IOException {
        Path model = golden("bert");
        TextTransformer transformer =
                transformer(TextTask.EMBED, model.toString()).setBackend("vector");
        try (Backend backend = backend();
                TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(model), backend)) {
            assertVectors(byId(transformer.transform(table)), embedder);

            TextFunctions.register(spark);
            table.createOrReplaceTempView("texts");
            Dataset<Row> bySql =
                    spark.sql("select id, text, gatun_embed('" + model + "', text) as out from texts where id < 50");
            List<Row> rows = byId(bySql);
            for (int i = 0; i < 50; i++) {
                if (!rows.get(i).isNullAt(1)) {
                    assertThat(floats(rows.get(i)))
                            .isEqualTo(embedder.embed(rows.get(i).getString(1)));
                }
            }
        }
    }

    @Test
    void bothExecutorsTakePartEachWithOneModel() throws IOException {
        String model = golden("bert").toString();
        List<String> who = transformer(TextTask.EMBED, model)
                .transform(table)
                .map(
                        (MapFunction<Row, String>) row -> SparkEnv.get().executorId() + " has "
                                + ExecutorModels.ofThisJvm().size(),
                        Encoders.STRING())
                .collectAsList();
        Set<String> different = new TreeSet<>(who);
        assertThat(different).containsExactly("0 has 1", "1 has 1");
    }

    @Test
    void aModelMayBePacked() throws IOException {
        Path model = golden("bert");
        Path packed = folder.resolve("bert.gatun");
        PackedModel.write(model, packed, WeightFormat.AS_STORED);
        try (Backend backend = backend();
                TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(model), backend)) {
            assertVectors(byId(transformer(TextTask.EMBED, packed.toString()).transform(table)), embedder);
        }
    }

    @Test
    void labelsAndScoresHaveTheBitsOfOneProcess() throws IOException {
        Path model = golden("bert-classify");
        List<Row> scored = byId(transformer(TextTask.RERANK, model.toString())
                .setQueryCol("query")
                .transform(table));
        List<Row> labelled =
                byId(transformer(TextTask.CLASSIFY, model.toString()).transform(table));
        TextFunctions.register(spark, Backend.Kind.SCALAR);
        table.createOrReplaceTempView("texts");
        Row bySql = spark.sql("select gatun_rerank('" + model + "', query, text), gatun_classify('" + model
                        + "', text)[0].score from texts where id = 1")
                .first();
        try (Backend backend = backend();
                Reranker reranker = Reranker.open(ModelFolder.of(model), backend);
                TextClassifier classifier = TextClassifier.open(ModelFolder.of(model), backend)) {
            for (int i = 0; i < ROWS; i++) {
                String text = DATA.get(i).getString(2);
                if (text == null) {
                    assertThat(scored.get(i).isNullAt(3)).isTrue();
                    assertThat(labelled.get(i).isNullAt(3)).isTrue();
                    continue;
                }
                float score = reranker.scores(DATA.get(i).getString(1), List.of(text))[0];
                assertThat(scored.get(i).getFloat(3)).isEqualTo(score);
                ScoredLabel best = classifier.classify(text).getFirst();
                List<Row> labels = labelled.get(i).getList(3);
                assertThat(labels).hasSameSizeAs(classifier.labels());
                assertThat(labels.getFirst().getString(0)).isEqualTo(best.label());
                assertThat(labels.getFirst().getFloat(1)).isEqualTo(best.score());
            }
            assertThat(bySql.getFloat(0)).isEqualTo(scored.get(1).getFloat(3));
            assertThat(bySql.getFloat(1))
                    .isEqualTo(labelled.get(1).<Row>getList(3).getFirst().getFloat(1));
        }
    }

    @Test
    void translationsAreTheTranslators() throws IOException {
        List<Row> numbers = List.of(
                RowFactory.create(0, null, "two hundred and five"),
                RowFactory.create(1, null, null),
                RowFactory.create(2, null, "I love you"),
                RowFactory.create(3, null, ""));
        Dataset<Row> few = spark.createDataFrame(numbers, SCHEMA).repartition(2);
        List<Row> rows = byId(transformer(TextTask.TRANSLATE, TextTask.DEMO).transform(few));
        try (Backend backend = backend();
                Translator translator = Translator.openDemo(backend)) {
            assertThat(rows)
                    .extracting(row -> row.getString(3))
                    .containsExactly(translator.translate("two hundred and five"), null, "我爱你", "");
        }
        TextFunctions.register(spark, Backend.Kind.SCALAR);
        assertThat(spark.sql("select gatun_translate('demo', 'I love you'), gatun_translate('demo', null)")
                        .first())
                .isEqualTo(RowFactory.create("我爱你", null));
    }

    @Test
    void aPipelineIsSavedAndRead() throws IOException {
        TextTransformer transformer = transformer(
                        TextTask.RERANK, golden("bert-classify").toString())
                .setQueryCol("query")
                .setBackend("scalar");
        String saved = folder.resolve("transformer").toString();
        transformer.save(saved);
        TextTransformer read = TextTransformer.load(saved);
        assertThat(read.uid()).isEqualTo(transformer.uid());
        assertThat(read.explainParams()).isEqualTo(transformer.explainParams());

        PipelineModel pipeline =
                new Pipeline().setStages(new PipelineStage[] {transformer}).fit(table);
        pipeline.save(folder.resolve("pipeline").toString());
        PipelineModel readPipeline =
                PipelineModel.load(folder.resolve("pipeline").toString());
        assertThat(byId(readPipeline.transform(table))).isEqualTo(byId(transformer.transform(table)));
    }

    @Test
    void whatDoesNotFitIsRefusedBeforeAnythingRuns() {
        TextTransformer transformer = transformer(TextTask.EMBED, "m");
        assertThat(transformer.transformSchema(SCHEMA).apply("out").dataType()).isEqualTo(TextTask.EMBED.type());
        assertRefused(
                transformer(TextTask.EMBED, "m").setInputCol("txt"), "inputCol txt: there are only [id, query, text]");
        assertRefused(
                transformer(TextTask.EMBED, "m").setInputCol("id"),
                "inputCol id: is a column of int, wanted are strings");
        assertRefused(
                transformer(TextTask.EMBED, "m").setOutputCol("id"), "outputCol id: there is such a column already");
        assertRefused(transformer(TextTask.RERANK, "m"), "queryCol is not set");
        assertRefused(
                transformer(TextTask.EMBED, "m").setQueryCol("query"),
                "queryCol is for the task rerank, not for embed");
        assertRefused(new TextTransformer(), "model is not set");
        assertThatThrownBy(() -> new TextTransformer().setTask("sing"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("sing");
        assertThatThrownBy(() -> transformer(TextTask.EMBED, "/nowhere/to/be/found")
                        .transform(table)
                        .collectAsList())
                .hasStackTraceContaining("embed: model /nowhere/to/be/found: ");
    }

    private static void assertRefused(TextTransformer transformer, String message) {
        assertThatThrownBy(() -> transformer.transformSchema(SCHEMA))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(transformer.uid() + ": " + message);
    }
}
