package dev.gatun.spark;

import dev.gatun.spark.ColumnModel.Text;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.jspecify.annotations.Nullable;
import scala.collection.mutable.ArraySeq;

/**
 * The rows of a partition with one more column. Some thousand rows are read, go through the model in the order of their texts' lengths,
 * and leave in their own; so a task's memory does not grow with its partition.
 *
 * @param key of the model
 * @param input index of the column of texts
 * @param query index of the column of queries, -1 for none
 */
record PartitionTransform(ModelKey key, int input, int query) implements MapPartitionsFunction<Row, Row> {
    /** Rows and characters that are read before they go through the model. */
    private static final int ROWS = 4096;

    private static final int CHARACTERS = 1 << 21;

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        ColumnModel model = ExecutorModels.ofThisJvm().forTask(key, TaskContext.get());
        Deque<Row> done = new ArrayDeque<>();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                if (done.isEmpty() && rows.hasNext()) {
                    transform(rows, model, done);
                }
                return !done.isEmpty();
            }

            @Override
            public Row next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                return done.remove();
            }
        };
    }

    private void transform(Iterator<Row> rows, ColumnModel model, Deque<Row> done) {
        List<Row> read = new ArrayList<>();
        List<Text> texts = new ArrayList<>();
        long characters = 0;
        while (rows.hasNext() && read.size() < ROWS && characters < CHARACTERS) {
            Row row = rows.next();
            read.add(row);
            Text text = text(row);
            if (text != null) {
                texts.add(text);
                characters += text.text().length();
            }
        }
        Object[] values = ColumnModel.sorted(model, texts);
        int next = 0;
        for (Row row : read) {
            done.add(with(row, text(row) == null ? null : column(values[next++])));
        }
    }

    /** Null where a text or its query is. */
    private @Nullable Text text(Row row) {
        if (row.isNullAt(input) || query >= 0 && row.isNullAt(query)) {
            return null;
        }
        return new Text(row.getString(input), query < 0 ? "" : row.getString(query));
    }

    private static Row with(Row row, @Nullable Object value) {
        @Nullable Object[] columns = new @Nullable Object[row.size() + 1];
        for (int i = 0; i < row.size(); i++) {
            columns[i] = row.get(i);
        }
        columns[row.size()] = value;
        return RowFactory.create(columns);
    }

    /** Rows want Scala's sequences in the place of arrays. */
    private static Object column(Object value) {
        return value.getClass().isArray() ? ArraySeq.make(value) : value;
    }
}
