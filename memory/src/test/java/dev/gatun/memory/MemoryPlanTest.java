package dev.gatun.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MemoryPlan.Lifetime;
import org.junit.jupiter.api.Test;

class MemoryPlanTest {
    private final MemoryPlan plan = MemoryPlan.empty()
            .plus("model.safetensors", Lifetime.MAPPED, 1_000_000)
            .plus("packed weights", Lifetime.WEIGHTS, 2_000)
            .plus(MemoryPlan.empty().plus("kv cache", Lifetime.SESSION, 300).plus("workspace", Lifetime.SESSION, 40));

    @Test
    void addsItsItemsUpInTotalAndByLifetime() {
        assertThat(plan.totalBytes()).isEqualTo(1_002_340);
        assertThat(plan.totalBytes(Lifetime.SESSION)).isEqualTo(340);
        assertThat(plan.totalBytes(Lifetime.MAPPED)).isEqualTo(1_000_000);
        assertThat(MemoryPlan.empty().totalBytes()).isZero();
    }

    @Test
    void fitsABudgetOfExactlyItsSize() {
        assertThat(plan.requireWithin(1_002_340)).isSameAs(plan);
    }

    @Test
    void refusesASmallerBudgetWithEveryItemAndBothNumbers() {
        assertThatThrownBy(() -> plan.requireWithin(1_002_339))
                .isInstanceOf(MemoryBudgetException.class)
                .hasMessageContainingAll("needs 1002340 bytes", "budget is 1002339")
                .hasMessageContainingAll("model.safetensors", "mapped", "1,000,000")
                .hasMessageContainingAll("packed weights", "kv cache", "300", "workspace", "40")
                .hasMessageContainingAll("total", "1,002,340");
    }

    @Test
    void refusesNegativeBytesAndATotalBeyondALong() {
        assertThatThrownBy(() -> plan.plus("odd", Lifetime.SESSION, -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("odd", "-1");
        assertThatThrownBy(() ->
                        plan.plus("huge", Lifetime.SESSION, Long.MAX_VALUE).totalBytes())
                .isInstanceOf(ArithmeticException.class);
    }
}
