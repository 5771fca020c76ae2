package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkerPoolTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void doesEachTileOnce(int threads) {
        try (WorkerPool pool = new WorkerPool(threads)) {
            for (int tiles : new int[] {0, 1, 2, 7, 1000}) {
                for (int round = 0; round < 50; round++) {
                    var done = new AtomicIntegerArray(tiles + 1);
                    pool.run(
                            (tile, worker) -> {
                                assertThat(worker).isBetween(0, threads - 1);
                                done.incrementAndGet(tile);
                            },
                            tiles);
                    for (int tile = 0; tile < tiles; tile++) {
                        assertThat(done.get(tile)).isEqualTo(1);
                    }
                }
            }
        }
    }

    @Test
    void throwsWhatATileThrowsAndGoesOn() {
        try (WorkerPool pool = new WorkerPool(3)) {
            for (int round = 0; round < 20; round++) {
                assertThatThrownBy(() -> pool.run(
                                (tile, worker) -> {
                                    if (tile == 5) {
                                        throw new IllegalStateException("tile 5");
                                    }
                                },
                                100))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessage("tile 5");
                var done = new AtomicIntegerArray(10);
                pool.run((tile, worker) -> done.incrementAndGet(tile), 10);
                assertThat(done.toString()).isEqualTo("[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]");
            }
        }
    }

    @Test
    void servesManyCallersAtOnceVirtualOnesToo() throws Exception {
        try (WorkerPool pool = new WorkerPool(2);
                var callers = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Integer>> sums = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                sums.add(callers.submit(() -> {
                    int sum = 0;
                    for (int round = 0; round < 200; round++) {
                        var done = new AtomicIntegerArray(20);
                        pool.run((tile, worker) -> done.incrementAndGet(tile), 20);
                        for (int tile = 0; tile < 20; tile++) {
                            sum += done.get(tile);
                        }
                    }
                    return sum;
                }));
            }
            for (Future<Integer> sum : sums) {
                assertThat(sum.get()).isEqualTo(200 * 20);
            }
        }
    }

    @Test
    void worksAloneOnceClosed() {
        WorkerPool pool = new WorkerPool(4);
        pool.close();
        var done = new AtomicIntegerArray(8);
        pool.run(
                (tile, worker) -> {
                    assertThat(worker).isZero();
                    done.incrementAndGet(tile);
                },
                8);
        assertThat(done.toString()).isEqualTo("[1, 1, 1, 1, 1, 1, 1, 1]");
    }

    @Test
    void refusesSenselessThreads() {
        for (int threads : new int[] {-1, 0, 1025}) {
            assertThatThrownBy(() -> new WorkerPool(threads))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("threads " + threads);
        }
    }
}
