package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
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

    @Test
    void aShareUsesNoMoreThanItsThreads() {
        try (WorkerPool pool = new WorkerPool(4)) {
            WorkerPool share = pool.limitedTo(2);
            assertThat(share.threads()).isEqualTo(2);
            assertThat(pool.limitedTo(9)).isSameAs(pool);
            for (int round = 0; round < 200; round++) {
                var done = new AtomicIntegerArray(40);
                share.run(
                        (tile, worker) -> {
                            assertThat(worker).isBetween(0, 1);
                            done.incrementAndGet(tile);
                        },
                        40);
                assertDoneOnce(done);
            }
            var done = new AtomicIntegerArray(3);
            pool.limitedTo(1).run((tile, worker) -> done.addAndGet(tile, 1 + worker), 3);
            assertDoneOnce(done);
            assertThatThrownBy(() -> pool.limitedTo(0)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    /** Callers that meet do their own tiles: at no time do more threads compute than callers and workers. */
    @Test
    void computesOnNoMoreThreadsThanCallersAndWorkers() throws Exception {
        int callers = 3;
        int workers = 2;
        var running = new AtomicInteger();
        var most = new AtomicInteger();
        try (WorkerPool pool = new WorkerPool(1 + workers);
                var threads = Executors.newFixedThreadPool(callers)) {
            WorkerPool share = pool.limitedTo(2);
            List<Future<?>> futures = new ArrayList<>();
            for (int i = 0; i < callers; i++) {
                WorkerPool mine = i == 0 ? share : pool;
                futures.add(threads.submit(() -> {
                    for (int round = 0; round < 300; round++) {
                        mine.run(
                                (tile, worker) -> {
                                    most.accumulateAndGet(running.incrementAndGet(), Math::max);
                                    Thread.onSpinWait();
                                    running.decrementAndGet();
                                },
                                16);
                    }
                }));
            }
            for (Future<?> future : futures) {
                future.get();
            }
        }
        assertThat(most.get()).isBetween(1, callers + workers);
    }

    @Test
    void anExceptionReachesTheCallerWhoseTileItIs() throws Exception {
        try (WorkerPool pool = new WorkerPool(3);
                var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<?>> futures = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                String name = i % 2 == 0 ? "caller " + i : null;
                futures.add(threads.submit(() -> {
                    for (int round = 0; round < 200; round++) {
                        WorkerPool.Task task = (tile, worker) -> {
                            if (tile == 3 && name != null) {
                                throw new IllegalStateException(name);
                            }
                        };
                        if (name == null) {
                            pool.run(task, 8);
                        } else {
                            assertThatThrownBy(() -> pool.run(task, 8)).hasMessage(name);
                        }
                    }
                }));
            }
            for (Future<?> future : futures) {
                future.get();
            }
        }
    }

    @Test
    void aTileMayCallThePoolItself() {
        try (WorkerPool pool = new WorkerPool(3)) {
            var done = new AtomicIntegerArray(64);
            pool.run((outer, w) -> pool.run((inner, v) -> done.incrementAndGet(outer * 8 + inner), 8), 8);
            assertDoneOnce(done);
        }
    }

    @Test
    void closingWhileTasksRunLosesNoTileAndEndsTheThreads() throws Exception {
        for (int round = 0; round < 30; round++) {
            WorkerPool pool = new WorkerPool(4);
            Set<Thread> seen = ConcurrentHashMap.newKeySet();
            try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
                Future<?> caller = threads.submit(() -> {
                    for (int i = 0; i < 50; i++) {
                        var done = new AtomicIntegerArray(30);
                        pool.run(
                                (tile, worker) -> {
                                    if (worker > 0) {
                                        seen.add(Thread.currentThread());
                                    }
                                    done.incrementAndGet(tile);
                                },
                                30);
                        assertDoneOnce(done);
                    }
                });
                Thread.onSpinWait();
                pool.close();
                caller.get();
            }
            for (Thread worker : seen) {
                worker.join(10_000);
                assertThat(worker.isAlive()).isFalse();
            }
        }
    }

    @Test
    void twoPoolsServeEachOthersTilesWithoutDeadlock() {
        try (WorkerPool one = new WorkerPool(3);
                WorkerPool two = new WorkerPool(3)) {
            var done = new AtomicIntegerArray(2 * 64);
            for (int round = 0; round < 100; round++) {
                one.run((outer, w) -> two.run((inner, v) -> done.incrementAndGet(outer * 8 + inner), 8), 8);
                two.run((outer, w) -> one.run((inner, v) -> done.incrementAndGet(64 + outer * 8 + inner), 8), 8);
            }
            for (int i = 0; i < 2 * 64; i++) {
                assertThat(done.get(i)).isEqualTo(100);
            }
        }
    }

    private static void assertDoneOnce(AtomicIntegerArray done) {
        for (int tile = 0; tile < done.length(); tile++) {
            assertThat(done.get(tile)).as("times that tile %s was done", tile).isEqualTo(1);
        }
    }
}
