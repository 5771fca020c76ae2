package dev.gatun.model.nn;

import static dev.gatun.model.nn.Reference.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class KvCacheTest {
    private static final int MOST = 4;
    private static final int HEADS = 2;
    private static final int CTX = 50; // the cache grows on the way
    private static final int D_K = 4;

    private final Arena arena = Arena.ofConfined();
    private final KvCache cache = new KvCache(2, MOST, HEADS, CTX, D_K);

    @AfterEach
    void close() {
        cache.close();
        arena.close();
    }

    /** New keys or values of a projection, seen by head. */
    private Tensor heads(long seed, int tokens) {
        return random(arena, seed, 1, cache.hypotheses(), tokens, HEADS * D_K).splitHeads(HEADS);
    }

    private void append(long seed, int tokens) {
        cache.begin(tokens);
        for (int layer = 0; layer < 2; layer++) {
            cache.append(layer, heads(seed + layer, tokens), heads(-seed - layer, tokens));
        }
        cache.commit();
    }

    /** What attention reads: the rows of one hypothesis, one after the other. */
    private float[] read(Tensor of, int hypothesis) {
        float[] values = new float[cache.length() * HEADS * D_K];
        int at = 0;
        for (int i = 0; i < cache.length(); i++) {
            for (float value : of.select(0, cache.rows()[hypothesis][i]).toFloats()) {
                values[at++] = value;
            }
        }
        return values;
    }

    @Test
    void aHypothesisHasItsOwnTokensInOrderHoweverTheyCame() {
        cache.reset(3);
        append(1, 2);
        append(5, 1);
        append(9, 40); // grows
        assertThat(cache.length()).isEqualTo(43);
        Tensor first = heads(1, 2);
        Tensor second = heads(5, 1);
        for (int b = 0; b < 3; b++) {
            float[] keys = read(cache.keys(0), b);
            for (int i = 0; i < 3; i++) {
                Tensor from = i < 2 ? first : second;
                for (int h = 0; h < HEADS; h++) {
                    for (int d = 0; d < D_K; d++) {
                        assertThat(keys[(i * HEADS + h) * D_K + d]).isEqualTo(from.getFloat(b, h, i % 2, d));
                    }
                }
            }
            assertThat(read(cache.values(1), b)).isNotEqualTo(read(cache.keys(1), b));
        }
    }

    @Test
    void whoGoesOnFromAnotherHasItsPastAndSharesNothingLater() {
        cache.reset(3);
        append(1, 3);
        float[][] before = {read(cache.keys(0), 0), read(cache.keys(0), 1), read(cache.keys(0), 2)};
        cache.keep(new int[] {2, 2, 0, 1}, 4);
        append(5, 1);
        Tensor added = heads(5, 1);
        int[] parents = {2, 2, 0, 1};
        for (int b = 0; b < 4; b++) {
            float[] keys = read(cache.keys(0), b);
            assertThat(keys).startsWith(before[parents[b]]);
            assertThat(keys[3 * HEADS * D_K]).isEqualTo(added.getFloat(b, 0, 0, 0));
        }
        cache.keep(new int[] {3}, 1);
        append(7, 1);
        assertThat(read(cache.keys(0), 0)).startsWith(before[1]).hasSize(5 * HEADS * D_K);
    }

    @Test
    void refusesWhatDoesNotFit() {
        cache.reset(2);
        append(1, 49);
        assertThatThrownBy(() -> cache.begin(2))
                .isInstanceOf(ShapeException.class)
                .hasMessage("cache has 49 of 50 positions: no room for 2 more");
        cache.begin(1);
        assertThatThrownBy(() -> cache.append(0, heads(1, 2), heads(2, 2))).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> cache.keep(new int[] {0, 2}, 2)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> cache.keep(new int[5], 5)).isInstanceOf(ShapeException.class);
    }

    @Test
    void itTakesAllPositionsAndWhatOneLayerHadBeforeItGrewForTheLastTime() {
        long position = MOST * HEADS * D_K * Float.BYTES;
        long most = position * (2 * 2 * CTX + 36); // there is room for 16, 24, 36, 50
        assertThat(KvCache.byteSize(2, MOST, HEADS, CTX, D_K)).isEqualTo(most);
        assertThat(KvCache.byteSize(2, MOST, HEADS, 16, D_K)).isEqualTo(position * 2 * 2 * 16);
        cache.reset(1);
        assertThat(cache.peakByteSize()).isEqualTo(position * 2 * 2 * 16);
        for (int i = 0; i < CTX; i++) {
            append(i, 1);
        }
        assertThat(cache.peakByteSize()).isEqualTo(most);
    }

    @Test
    void whoeverTakesManyTokensAtOnceNeedsNoMore() {
        cache.reset(1);
        append(1, 30);
        append(2, 20);
        assertThat(cache.peakByteSize()).isEqualTo(KvCache.byteSize(2, MOST, HEADS, CTX, D_K));
    }
}
