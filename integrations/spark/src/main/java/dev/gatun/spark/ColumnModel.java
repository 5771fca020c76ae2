package dev.gatun.spark;

import dev.gatun.model.Reranker;
import dev.gatun.model.ScoredLabel;
import dev.gatun.model.TextClassifier;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.Translator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/** An open model that turns texts of a column into values of another. Thread-safe. */
sealed interface ColumnModel extends AutoCloseable {
    /** A text, and what it is to be compared with: empty for tasks that compare nothing. */
    record Text(String text, String query) {}

    /** A value for each text, in their order, as the task's {@link TextTask#type} has it: {@code float[]}, {@code Row[]}, Float, String. */
    Object[] values(List<Text> texts);

    @Override
    void close();

    private static List<String> strings(List<Text> texts) {
        return texts.stream().map(Text::text).toList();
    }

    /** Vectors. */
    record Embedding(TextEmbedder model) implements ColumnModel {
        @Override
        public Object[] values(List<Text> texts) {
            return model.embedAll(strings(texts));
        }

        @Override
        public void close() {
            model.close();
        }
    }

    /** Labels. */
    record Classification(TextClassifier model) implements ColumnModel {
        @Override
        public Object[] values(List<Text> texts) {
            return model.classifyAll(strings(texts)).stream()
                    .map(Classification::rows)
                    .toArray();
        }

        private static Row[] rows(List<ScoredLabel> labels) {
            return labels.stream()
                    .map(label -> RowFactory.create(label.label(), label.score()))
                    .toArray(Row[]::new);
        }

        @Override
        public void close() {
            model.close();
        }
    }

    /** Scores; texts of one query go through the model together. */
    record Ranking(Reranker model) implements ColumnModel {
        @Override
        public Object[] values(List<Text> texts) {
            Map<String, List<Integer>> byQuery = new LinkedHashMap<>();
            for (int i = 0; i < texts.size(); i++) {
                byQuery.computeIfAbsent(texts.get(i).query(), query -> new ArrayList<>())
                        .add(i);
            }
            Object[] values = new Object[texts.size()];
            byQuery.forEach((query, places) -> {
                float[] scores = model.scores(
                        query, places.stream().map(i -> texts.get(i).text()).toList());
                for (int i = 0; i < scores.length; i++) {
                    values[places.get(i)] = scores[i];
                }
            });
            return values;
        }

        @Override
        public void close() {
            model.close();
        }
    }

    /** Translations. */
    record Translation(Translator model) implements ColumnModel {
        @Override
        public Object[] values(List<Text> texts) {
            return model.translateAll(strings(texts)).toArray();
        }

        @Override
        public void close() {
            model.close();
        }
    }

    /** The values of texts that go through the model in the order of their lengths, so that a batch has texts that are alike. */
    static Object[] sorted(ColumnModel model, List<Text> texts) {
        Integer[] order = new Integer[texts.size()];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingInt(i -> texts.get(i).text().length()));
        Object[] values = model.values(Arrays.stream(order).map(texts::get).toList());
        Object[] inPlace = new Object[values.length];
        for (int i = 0; i < values.length; i++) {
            inPlace[order[i]] = values[i];
        }
        return inPlace;
    }
}
