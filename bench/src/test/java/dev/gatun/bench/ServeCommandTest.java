package dev.gatun.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.bench.StreamLoad.Seen;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The load that gatun bench serve puts on servers, for a moment and with a tiny model. */
class ServeCommandTest {
    private static final Path MODEL = Path.of("..", "golden", "spm", "llama-spm.gguf");

    @Test
    void everyStreamHasTexts() throws Exception {
        try (ServerProcess server = ServerProcess.gatun(MODEL.toAbsolutePath(), "scalar", 2, 4, 128)) {
            var load = new StreamLoad(server.place(), 4, 8, 12);
            Seen seen = load.run(1, 1, () -> {});
            while (seen.texts() < 4) { // a slow machine has not come so far
                seen = load.run(1, 1, () -> {});
                assertThat(seen.errors()).isEmpty();
            }
            assertThat(seen.errors()).isEmpty();
            assertThat(seen.tokens()).isGreaterThanOrEqualTo(seen.texts());
            assertThat(seen.first()).hasSizeGreaterThanOrEqualTo(seen.texts()).isSorted();
            assertThat(seen.gaps()).isSorted();
            assertThat(seen.rate()).isPositive();
            var tooLong = new StreamLoad(server.place(), 1, 400, 12);
            Seen refused = tooLong.run(0.3, 2, () -> {});
            while (refused.errors().isEmpty()) {
                refused = tooLong.run(0.3, 2, () -> {});
            }
            assertThat(refused.errors()).allMatch(error -> error.contains(" 400 "));
        }
    }

    @Test
    void quantilesAreOfWhatThereIs() {
        double[] values = {1, 2, 3, 4, 10};
        assertThat(Seen.quantile(values, 0)).isEqualTo(1);
        assertThat(Seen.quantile(values, 0.5)).isEqualTo(3);
        assertThat(Seen.quantile(values, 1)).isEqualTo(10);
        assertThat(Seen.quantile(new double[0], 0.5)).isNaN();
    }
}
