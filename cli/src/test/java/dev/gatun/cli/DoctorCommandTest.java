package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.ops.Decision;
import java.util.List;
import org.junit.jupiter.api.Test;

class DoctorCommandTest {
    @Test
    void saysWhatIsThereAndWhatIsPicked() {
        Outcome outcome = Outcome.of("doctor", "--threads", "2").isDone();
        assertThat(outcome.lines())
                .anyMatch(line -> line.startsWith("JDK  ") && line.contains(System.getProperty("java.home")))
                .anyMatch(line -> line.matches("CPU  .+"))
                .anyMatch(line -> line.matches("vectors +(128|256|512) bits.*"))
                .anyMatch(line -> line.matches("processors +\\d+ for this JVM.*, 2 threads"))
                .anyMatch(line -> line.matches("memory +.*heap at most .*"))
                .anyMatch(line -> line.matches("native access +enabled"))
                .anyMatch(line -> line.startsWith("cache folder ") && line.contains("gatun"))
                .anyMatch(
                        line -> line.matches("backend auto +auto products, (auto|machine) rows, 2 threads; picked: .+"))
                .anyMatch(line -> line.matches(" +picks +(none measured|\\d+ shapes measured: ).*"))
                .anyMatch(line -> line.matches(" +openblas +available: org.bytedeco:openblas.*told to use 2 threads.*"))
                .anyMatch(line -> line.matches(" +vector +available"))
                .anyMatch(line -> line.matches(" +scalar +available"))
                .anyMatch(line -> line.matches("demo model +\"two hundred and five\" is 二百零五, loaded in .*"))
                .contains("slow")
                .noneMatch(line -> line.contains("FAILED"));
    }

    @Test
    void aBlasThatCannotBeLoadedHidesNothingElse() {
        Outcome outcome = Outcome.of("doctor", "--blas", "no-such-library.so");
        assertThat(outcome.code()).isZero();
        assertThat(outcome.lines())
                .anyMatch(line -> line.matches("backend auto +FAILED: .*no-such-library\\.so.*"))
                .anyMatch(line -> line.matches(" +openblas +FAILED: .*no-such-library\\.so.*"))
                .anyMatch(line -> line.matches(" +vector +available"))
                .anyMatch(line -> line.matches(" +scalar +available"))
                .contains("slow")
                .anyMatch(line -> line.startsWith("  - there is no OpenBLAS"));
    }

    @Test
    void picksAreSummedUpWithThoseThatMatterMost() {
        assertThat(DoctorCommand.picks(List.of(
                        new Decision("linear", 9, 16, 384, 384, "vector", 300, 100, true),
                        new Decision("linear", 257, Integer.MAX_VALUE, 384, 384, "openblas", 100, 110, true),
                        new Decision("attention", 1, 1, 64, 32, "undecided", 0, 0, false))))
                .isEqualTo("2 shapes measured: 1 to kernels of our own, 1 to openblas; linear of 9 to 16 rows, n 384, k"
                        + " 384: vector, 3.0 times as fast; linear of 257 or more rows, n 384, k 384: openblas,"
                        + " 1.1 times as fast");
        assertThat(DoctorCommand.picks(List.of())).startsWith("none measured");
    }

    @Test
    void moreThreadsThanProcessorsAreCalledSlow() {
        int processors = Runtime.getRuntime().availableProcessors();
        assertThat(Outcome.of("doctor", "--threads", Integer.toString(processors + 1))
                        .isDone()
                        .lines())
                .anyMatch(line ->
                        line.startsWith("  - " + (processors + 1) + " threads on " + processors + " processors"));
    }
}
