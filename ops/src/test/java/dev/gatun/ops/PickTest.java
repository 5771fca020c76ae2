package dev.gatun.ops;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class PickTest {
    private final AtomicInteger decisions = new AtomicInteger();
    private final Pick pick = new Pick(false, decisions::incrementAndGet);

    /** Lets the pick try until it has decided or {@code most} calls are over; the calls it took. */
    private int run(double openBlasNanos, double vectorNanos, int most) {
        int calls = 0;
        while (pick.chosen("vector").equals("undecided") && calls < most) {
            int way = pick.next();
            if ((way & Pick.TRIAL) != 0) {
                pick.report(way, (way & Pick.VECTOR) == 0 ? openBlasNanos : vectorNanos);
            }
            calls++;
        }
        return calls;
    }

    @Test
    void openBlasComputesUntilTheKernelsAreReadyAndTheFirstCallAsksForThem() {
        assertThat(pick.isAsked()).isFalse();
        assertThat(pick.next()).isEqualTo(Pick.FIRST);
        for (int i = 0; i < 100; i++) {
            assertThat(pick.next()).isZero();
        }
        assertThat(pick.isAsked()).isTrue();
        assertThat(pick.chosen("vector")).isEqualTo("undecided");
        assertThat(decisions).hasValue(0);
    }

    @Test
    void whoIsFasterIsChosenForGood() {
        pick.ready();
        assertThat(run(10, 9, 1000)).isLessThan(4 * Pick.SAMPLES);
        assertThat(pick.chosen("vector")).isEqualTo("vector");
        assertThat(pick.timing()).isEqualTo(new Pick.Timing(true, 10, 9));
        assertThat(decisions).hasValue(1);
        for (int i = 0; i < 100; i++) {
            assertThat(pick.next()).isEqualTo(Pick.VECTOR);
            pick.report(Pick.TRIAL | Pick.VECTOR, 1000);
        }
        assertThat(pick.isCached()).isFalse();
        assertThat(decisions).hasValue(1);
    }

    @Test
    void openBlasIsChosenWhereItIsFaster() {
        pick.ready();
        run(9, 10, 1000);
        assertThat(pick.chosen("vector")).isEqualTo("openblas");
        assertThat(pick.next()).isZero();
    }

    @Test
    void aFewCallsThatTheSystemDelayedDoNotDecide() {
        pick.ready();
        for (int i = 0; i < 1000 && pick.chosen("vector").equals("undecided"); i++) {
            pick.ready(); // as who compiles says again and again
            int way = pick.next();
            boolean vector = (way & Pick.VECTOR) != 0;
            pick.report(way, (vector ? 9 : 10) * (i % 5 < 2 && vector ? 100 : 1));
        }
        assertThat(pick.chosen("vector")).isEqualTo("vector");
    }

    @Test
    void kernelsThatAreNotCompiledAfterAllAreAwaitedAgain() {
        assertThat(pick.next()).isEqualTo(Pick.FIRST);
        pick.ready();
        run(10, 1000, 200);
        assertThat(pick.chosen("vector")).as("no decision from such a loss").isEqualTo("undecided");
        assertThat(pick.next()).as("the request was made anew").isZero();
        pick.ready();
        run(10, 5, 1000);
        assertThat(pick.chosen("vector")).isEqualTo("vector");
    }

    @Test
    void fewCallsAreSpentOnKernelsThatAreNotCompiled() {
        pick.ready();
        int slow = 0;
        for (int i = 0; i < 200; i++) {
            int way = pick.next();
            slow += way & Pick.VECTOR;
            if ((way & Pick.TRIAL) != 0) {
                pick.report(way, (way & Pick.VECTOR) == 0 ? 10 : 1000);
            }
        }
        assertThat(slow).isLessThan(5);
    }

    @Test
    void kernelsThatStaySlowLoseInTheEnd() {
        for (int i = 0; i < 100; i++) {
            pick.ready();
            run(10, 1000, 100);
        }
        assertThat(pick.chosen("vector")).isEqualTo("openblas");
    }

    @Test
    void aTableThatSaysVectorHoldsOnceTheKernelsAreReadyAndSeenToBeCompiled() {
        pick.know(new Pick.Timing(true, 10, 9));
        assertThat(pick.chosen("vector")).isEqualTo("vector");
        assertThat(pick.next()).isEqualTo(Pick.FIRST);
        pick.ready();
        int calls = 0;
        for (int way = pick.next(); way != Pick.VECTOR; way = pick.next()) {
            pick.report(way, (way & Pick.VECTOR) == 0 ? 9 : 10); // noise does not overrule the table
            assertThat(calls++).isLessThan(20);
        }
        assertThat(pick.isCached()).isTrue();
        assertThat(pick.timing()).isEqualTo(new Pick.Timing(true, 10, 9));
        assertThat(decisions).as("nothing new to write").hasValue(0);
    }

    @Test
    void aTableThatSaysOpenBlasHoldsAtOnce() {
        pick.know(new Pick.Timing(false, 9, 10));
        assertThat(pick.next()).isZero();
        pick.ready();
        assertThat(pick.next()).isZero();
    }

    @Test
    void aTableThatComesLateEndsTheTrial() {
        pick.ready();
        assertThat(pick.next() & Pick.TRIAL).isNotZero();
        pick.know(new Pick.Timing(false, 10, 12));
        assertThat(pick.next()).isZero();
    }

    @Test
    void aTableThatComesTooLateChangesNothing() {
        pick.ready();
        run(9, 10, 1000);
        pick.know(new Pick.Timing(true, 10, 9));
        assertThat(pick.chosen("vector")).isEqualTo("openblas");
    }

    @Test
    void kernelsThatCannotBeCompiledAreGivenUp() {
        pick.know(new Pick.Timing(true, 10, 9));
        pick.giveUp();
        assertThat(pick.next()).isZero();
        pick.ready();
        assertThat(pick.next()).isZero();
    }

    @Test
    void kernelsThatComeFirstComputeUntilOpenBlasIsThere() {
        var pick = new Pick(true, decisions::incrementAndGet);
        assertThat(pick.next()).isEqualTo(Pick.VECTOR | Pick.FIRST);
        assertThat(pick.next()).isEqualTo(Pick.VECTOR);
        pick.ready();
        while (!pick.isDecided()) {
            int way = pick.next();
            pick.report(way, (way & Pick.VECTOR) != 0 ? 9 : 1); // as slow as a kernel that is not compiled, but it is
        }
        assertThat(pick.next()).as("OpenBLAS").isZero();
        assertThat(decisions).hasValue(1);
    }

    @Test
    void kernelsThatComeFirstGoOnWhereThereIsNoOpenBlasOrTheTableSaysSo() {
        var without = new Pick(true, decisions::incrementAndGet);
        without.next();
        without.giveUp();
        assertThat(without.next()).isEqualTo(Pick.VECTOR);
        var known = new Pick(true, decisions::incrementAndGet);
        known.know(new Pick.Timing(true, 2, 1));
        assertThat(known.next()).isEqualTo(Pick.VECTOR);
        var other = new Pick(true, decisions::incrementAndGet);
        other.know(new Pick.Timing(false, 1, 2));
        assertThat(other.next()).as("until OpenBLAS is loaded").isEqualTo(Pick.VECTOR | Pick.FIRST);
        assertThat(decisions).hasValue(0);
    }
}
