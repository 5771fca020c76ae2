package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PlanCommandTest {
    private static final String LLAMA = "../golden/models/llama";

    private static long total(Outcome outcome) {
        String line = outcome.lines().stream()
                .filter(l -> l.startsWith("total"))
                .findFirst()
                .orElseThrow();
        return Long.parseLong(line.replaceAll("\\D", ""));
    }

    @Test
    void printsEachItemAndTheTotal() {
        Outcome outcome = Outcome.of(
                        "plan", LLAMA, "--ctx", "40", "--batch", "3", "--backend", "vector", "--threads", "1")
                .isDone();
        assertThat(outcome.lines())
                .anyMatch(line -> line.matches("checkpoint +mapped +[\\d,]+ bytes"))
                .anyMatch(line -> line.matches("packed weights +weights +[\\d,]+ bytes"))
                .anyMatch(line -> line.matches("key/value cache +session +46,080 bytes"));
        assertThat(total(outcome)).isPositive();
    }

    @Test
    void aBudgetOfExactlyThatFitsAndOneByteLessSaysWhatWould() {
        String[] plan = {"plan", LLAMA, "--ctx", "40", "--batch", "3", "--backend", "vector", "--budget", "1t"};
        long total = total(Outcome.of(plan).isDone());
        plan[9] = Long.toString(total);
        Outcome.of(plan).isDone();
        plan[9] = Long.toString(total - 1);
        Outcome refused = Outcome.of(plan);
        assertThat(refused.code()).isEqualTo(1);
        assertThat(refused.lines().getLast())
                .startsWith("1 bytes more than the budget of ")
                .contains("would fit: --ctx 39, or --batch 2, or --cache f16, or --cache bf16, or --cache q8_0, or"
                        + " --weights");
    }

    @Test
    void aCommandRefusesBeyondItsBudgetWithThePlan() {
        Outcome outcome = Outcome.of("translate", "--budget", "1m", "--backend", "vector", "two");
        assertThat(outcome.code()).isEqualTo(2);
        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.err()).startsWith("gatun: the model ").contains("checkpoint", "packed weights", "total");
        assertThat(Outcome.of("translate", "--budget", "1g", "--backend", "vector", "two")
                        .isDone()
                        .out())
                .isNotEmpty();
    }

    @Test
    void badNumbersAreOneLine() {
        Outcome.of("plan", LLAMA, "--budget", "2x").refusesWith("--budget 2x", "number of bytes");
        Outcome.of("plan", LLAMA, "--budget", "99999999999999t").refusesWith("no computer");
        Outcome.of("plan", LLAMA, "--ctx", "65").refusesWith("64 positions");
        Outcome.of("plan", LLAMA, "--batch", "0").refusesWith("--batch 0");
        Outcome.of("plan", "no-such-folder").refusesWith("no-such-folder");
    }
}
