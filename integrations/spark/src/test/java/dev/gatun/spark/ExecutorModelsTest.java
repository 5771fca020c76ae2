package dev.gatun.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.ops.Backend;
import dev.gatun.spark.ColumnModel.Text;
import java.io.UncheckedIOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class ExecutorModelsTest {
    private static final ModelKey SCALAR = new ModelKey(TextTask.TRANSLATE, TextTask.DEMO, Backend.Kind.SCALAR);
    private static final ModelKey VECTOR = new ModelKey(TextTask.TRANSLATE, TextTask.DEMO, Backend.Kind.VECTOR);
    private static final ModelKey MISSING = new ModelKey(TextTask.EMBED, "/nowhere/to/be/found", Backend.Kind.SCALAR);

    @Test
    void aModelIsOpenedOnceAndClosedWhenAnotherTakesItsPlace() {
        var models = new ExecutorModels();
        ColumnModel first = models.use(SCALAR, model -> model);
        models.use(SCALAR, again -> {
            assertThat(again).isSameAs(first);
            models.use(VECTOR, other -> {
                assertThat(other).isNotSameAs(again);
                assertThat(models.size()).isEqualTo(2);
                return other;
            });
            return again.values(List.of(new Text("two hundred and five", ""))); // it is still open
        });
        ColumnModel vector = models.use(VECTOR, model -> model);
        assertThat(models.size()).isEqualTo(2);

        assertThatThrownBy(() -> models.use(MISSING, model -> model))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageStartingWith("embed: model /nowhere/to/be/found: ");
        assertThat(models.size()).isZero();
        assertThatThrownBy(() -> vector.values(List.of(new Text("one", "")))).isInstanceOf(IllegalStateException.class);
    }
}
