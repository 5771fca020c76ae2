package dev.gatun.model.nn;

import static dev.gatun.model.nn.Reference.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class KvCacheTest {
    private static final int BATCH = 3;
    private static final int HEADS = 2;
    private static final int CTX = 5;
    private static final int D_K = 4;

    /** Adds up what is taken from it. */
    private static final class CountingArena implements Arena {
        private final Arena arena = Arena.ofConfined();
        private long bytes;

        @Override
        public MemorySegment allocate(long byteSize, long byteAlignment) {
            bytes += byteSize;
            return arena.allocate(byteSize, byteAlignment);
        }

        @Override
        public MemorySegment.Scope scope() {
            return arena.scope();
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    private final CountingArena arena = new CountingArena();

    @AfterEach
    void close() {
        arena.close();
    }

    private KvCache cache(boolean reorders) {
        KvCache cache = KvCache.allocate(arena, BATCH, HEADS, CTX, D_K, reorders);
        cache.reset(BATCH);
        return cache;
    }

    /** New keys or values of a projection, seen by head. */
    private Tensor heads(long seed, int batch, int tokens) {
        return random(arena, seed, 1, batch, tokens, HEADS * D_K).splitHeads(HEADS);
    }

    private static float[] positions(Tensor cached, int batch, int from, int to) {
        return cached.slice(0, batch, batch + 1).slice(2, from, to).toFloats();
    }

    @Test
    void itTakesTheBytesThatItAnnounces() {
        for (boolean reorders : new boolean[] {false, true}) {
            long before = arena.bytes;
            KvCache.allocate(arena, BATCH, HEADS, CTX, D_K, reorders);
            assertThat(arena.bytes - before).isEqualTo(KvCache.byteSize(BATCH, HEADS, CTX, D_K, reorders));
        }
        assertThat(KvCache.byteSize(BATCH, HEADS, CTX, D_K, false)).isEqualTo(2L * BATCH * HEADS * CTX * D_K * 4);
    }

    @Test
    void whatIsAppendedFollowsWhatWasThere() {
        KvCache cache = cache(false);
        assertThat(cache.capacity()).isEqualTo(CTX);
        assertThat(cache.length()).isZero();
        int length = 0;
        for (int tokens : new int[] {2, 1, 0, 2}) {
            Tensor keys = heads(length, BATCH, tokens);
            Tensor values = heads(100 + length, BATCH, tokens);
            cache.append(keys, values);
            for (int b = 0; b < BATCH; b++) {
                float[] cachedKeys = positions(cache.keys(), b, length, length + tokens);
                float[] cachedValues = positions(cache.values(), b, length, length + tokens);
                assertThat(cachedKeys).containsExactly(keys.slice(0, b, b + 1).toFloats());
                assertThat(cachedValues)
                        .containsExactly(values.slice(0, b, b + 1).toFloats());
            }
            length += tokens;
            assertThat(cache.length()).isEqualTo(length);
        }
        assertThat(positions(cache.keys(), 1, 0, 2))
                .as("appending leaves the past alone")
                .containsExactly(heads(0, BATCH, 2).slice(0, 1, 2).toFloats());
    }

    @Test
    void aFullCacheRefusesMoreAndStaysAsItIs() {
        KvCache cache = cache(false);
        cache.append(heads(1, BATCH, 4), heads(2, BATCH, 4));
        float[] keys = cache.keys().toFloats();
        assertThatThrownBy(() -> cache.append(heads(3, BATCH, 2), heads(4, BATCH, 2)))
                .isInstanceOf(ShapeException.class)
                .hasMessage("cache has 4 of 5 positions: no room for 2 more");
        assertThat(cache.length()).isEqualTo(4);
        assertThat(cache.keys().toFloats()).containsExactly(keys);
    }

    @Test
    void keysAndValuesOfOtherShapesAreRefused() {
        KvCache cache = cache(false);
        Tensor good = heads(1, BATCH, 1);
        Tensor otherHeads = random(arena, 2, 1, BATCH, 1, 4 * D_K).splitHeads(4);
        Tensor wider = random(arena, 3, 1, BATCH, 1, HEADS * 8).splitHeads(HEADS);
        for (Tensor wrong : new Tensor[] {heads(4, BATCH - 1, 1), otherHeads, wider}) {
            assertThatThrownBy(() -> cache.append(wrong, wrong))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining("cache of keys F32[3,2,5,4]")
                    .hasMessageContaining("cannot append keys " + wrong);
        }
        assertThatThrownBy(() -> cache.append(good, heads(5, BATCH, 2)))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("values F32[3,2,2,4]");
        assertThat(cache.length()).isZero();
    }

    @Test
    void resetForgetsAllAndMayTakeFewerSequences() {
        KvCache cache = cache(true);
        cache.append(heads(1, BATCH, 5), heads(2, BATCH, 5));
        cache.reset(2);
        assertThat(cache.length()).isZero();
        assertThat(cache.keys().shape()).hasToString("[2,2,5,4]");
        Tensor keys = heads(3, 2, 1);
        cache.append(keys, keys);
        assertThat(positions(cache.keys(), 1, 0, 1))
                .containsExactly(keys.slice(0, 1, 2).toFloats());
        assertThatThrownBy(() -> cache.reset(BATCH + 1)).isInstanceOf(ShapeException.class);
    }

    @Test
    void reorderLetsSequencesContinueOthers() {
        KvCache cache = cache(true);
        Tensor keys = heads(1, BATCH, 3);
        Tensor values = heads(2, BATCH, 3);
        cache.append(keys, values);
        int[] origin = {0, 1, 2};
        for (int[] parents : new int[][] {{2, 0, 0}, {0, 1, 2}, {1, 1, 0}, {2, 2, 2}}) {
            int[] before = origin.clone();
            cache.reorder(parents);
            assertThat(cache.length()).isEqualTo(3);
            for (int b = 0; b < BATCH; b++) {
                origin[b] = before[parents[b]];
                float[] expectedKeys = keys.slice(0, origin[b], origin[b] + 1).toFloats();
                float[] expectedValues =
                        values.slice(0, origin[b], origin[b] + 1).toFloats();
                assertThat(positions(cache.keys(), b, 0, 3)).containsExactly(expectedKeys);
                assertThat(positions(cache.values(), b, 0, 3)).containsExactly(expectedValues);
            }
        }
        Tensor next = heads(3, BATCH, 1);
        cache.append(next, next);
        assertThat(positions(cache.keys(), 1, 3, 4))
                .containsExactly(next.slice(0, 1, 2).toFloats());
    }

    @Test
    void aCacheThatWasNotToldCannotReorder() {
        KvCache cache = cache(false);
        assertThatThrownBy(() -> cache.reorder(new int[] {0, 1, 2}))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("this cache was not allocated to be reordered");
    }
}
