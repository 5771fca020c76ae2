package dev.gatun.model.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;
import java.util.BitSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplerTest {
    private final Arena arena = Arena.ofAuto();
    private final Tensor logits = Tensor.copyOf(arena, new float[] {1, 3, 2, 0, 3, -1}, 6);

    private static Sampling of(double temperature, int topK, double topP, double minP, double penalty) {
        return new Sampling(temperature, topK, topP, minP, penalty, 7);
    }

    private double[] shares(Sampling sampling) {
        var sampler = new Sampler(sampling, 6);
        int n = 20_000;
        double[] shares = new double[6];
        for (int i = 0; i < n; i++) {
            shares[sampler.pick(logits, null)] += 1.0 / n;
        }
        return shares;
    }

    /** softmax([1, 3, 2, 0, 3, -1] / temperature) over the ids kept, by hand. */
    private static void assertShares(double[] actual, double temperature, int... kept) {
        double[] logits = {1, 3, 2, 0, 3, -1};
        double sum = IntStream.of(kept)
                .mapToDouble(id -> Math.exp(logits[id] / temperature))
                .sum();
        for (int id = 0; id < 6; id++) {
            int same = id;
            boolean in = IntStream.of(kept).anyMatch(k -> k == same);
            assertThat(actual[id]).isCloseTo(in ? Math.exp(logits[id] / temperature) / sum : 0, within(0.015));
        }
    }

    @Test
    void temperatureZeroTakesTheLowestOfTheMostProbable() {
        assertThat(new Sampler(Sampling.GREEDY, 6).pick(logits, null)).isEqualTo(1);
    }

    @Test
    void drawsFollowTheProbabilities() {
        assertShares(shares(of(1, 0, 1, 0, 1)), 1, 0, 1, 2, 3, 4, 5);
        assertShares(shares(of(2, 0, 1, 0, 1)), 2, 0, 1, 2, 3, 4, 5);
    }

    @Test
    void topKTopPAndMinPCutTheTail() {
        assertShares(shares(of(1, 3, 1, 0, 1)), 1, 1, 4, 2);
        assertShares(shares(of(1, 0, 0.5, 0, 1)), 1, 1, 4); // 0.40 + 0.40 reach a half
        assertShares(shares(of(1, 0, 1, 0.2, 1)), 1, 1, 4, 2); // e^-1 of the largest is kept, e^-2 is not
        assertShares(shares(of(1, 4, 0.9, 0.3, 1)), 1, 1, 4, 2);
        assertShares(shares(of(1, 1, 1, 0, 1)), 1, 1);
    }

    @Test
    void whatWasSaidBecomesLessProbable() {
        var sampler = new Sampler(of(0, 0, 1, 0, 2), 6);
        sampler.see(1);
        assertThat(sampler.pick(logits, null)).isEqualTo(4);
        sampler.see(4);
        assertThat(sampler.pick(logits, null)).isEqualTo(2); // 3 / 2 is less than 2
    }

    @Test
    void onlyAllowedIdsArePicked() {
        BitSet allowed = new BitSet();
        allowed.set(3);
        allowed.set(5);
        assertThat(new Sampler(Sampling.GREEDY, 6).pick(logits, allowed)).isEqualTo(3);
    }

    @Test
    void logProbabilitiesAreThoseOfTheSoftmax() {
        var sampler = new Sampler(Sampling.GREEDY, 6);
        sampler.pick(logits, null);
        double sum = Math.exp(1) + 2 * Math.exp(3) + Math.exp(2) + 1 + Math.exp(-1);
        assertThat(sampler.logProbability()).isCloseTo(3 - Math.log(sum), within(1e-12));
    }

    @Test
    void theSameSeedGivesTheSameIds() {
        var one = new Sampler(of(1, 5, 0.95, 0, 1), 6);
        var two = new Sampler(of(1, 5, 0.95, 0, 1), 6);
        for (int i = 0; i < 100; i++) {
            assertThat(one.pick(logits, null)).isEqualTo(two.pick(logits, null));
        }
    }

    @Test
    void logitsThatAreNoNumbersAreRefused() {
        Tensor nan = Tensor.copyOf(arena, new float[] {Float.NaN, Float.NaN}, 2);
        assertThatThrownBy(() -> new Sampler(Sampling.GREEDY, 2).pick(nan, null))
                .isInstanceOf(ArithmeticException.class);
        assertThatThrownBy(() -> of(-1, 0, 1, 0, 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> of(1, 0, 0, 0, 1)).isInstanceOf(IllegalArgumentException.class);
    }
}
