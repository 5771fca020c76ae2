package dev.gatun.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.memory.DType;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is made of samples. */
class NumbersTest {
    private static final EngineKind OPENBLAS = EngineKind.of(Backend.Kind.OPENBLAS);
    private static final EngineKind VECTOR = EngineKind.of(Backend.Kind.VECTOR);
    private static final EngineKind AUTO = EngineKind.of(Backend.Kind.AUTO);

    @TempDir
    private Path folder;

    @Test
    void quantilesLieBetweenSamples() {
        Stats stats = Stats.of(List.of(5.0, 1.0, 2.0, 4.0, 3.0));
        assertThat(stats).isEqualTo(new Stats(3, 1.4, 4.6, 5));
        assertThat(Stats.of(List.of(7.0))).isEqualTo(new Stats(7, 7, 7, 1));
        assertThat(Stats.median(1, 2)).isEqualTo(1.5);
    }

    @Test
    void workIsCountedAsTheFormulasSay() {
        Op product = new Op.Linear(8, 1536, 384, DType.F32, 1);
        assertThat(product.flop()).isEqualTo(2.0 * 8 * 1536 * 384);
        assertThat(product.bytes()).isEqualTo(4.0 * (1536 * 384 + 8 * (1536 + 384)));
        assertThat(new Op.Linear(1, 10, 20, DType.BF16, 1).bytes()).isEqualTo(2.0 * 200 + 4 * 30);
        assertThat(new Op.Attention(8, 8, 64, 2048, true).flop()).isEqualTo(2.0 * 64 * 8 * 2048 * 2049);
        assertThat(new Op.Attention(8, 8, 64, 2048, false).flop()).isEqualTo(4.0 * 64 * 8 * 2048 * 2048);
        assertThat(Op.Encode.named("1x128").flop()).isEqualTo(6 * 128.0 * (12 * 2 * 384 * 384 + 4 * 128 * 384));
    }

    private static Result result(Op op, Stats limit, double openblas, double vector, double auto) {
        SequencedMap<EngineKind, Stats> values = new LinkedHashMap<>();
        values.put(OPENBLAS, new Stats(openblas, openblas, openblas, 1));
        values.put(VECTOR, new Stats(vector, vector, vector, 1));
        values.put(AUTO, new Stats(auto, auto, auto, 1));
        return new Result(new Case(Group.MATMUL, "a", "b", op), limit, values, Map.of(), 1);
    }

    @Test
    void theFastestWinsUnlessItOnlyPicks() {
        Result result = result(new Op.Linear(8, 8, 8, DType.F32, 1), new Stats(100, 90, 110, 5), 50, 80, 90);
        assertThat(result.winner()).isEqualTo(VECTOR);
        assertThat(result.bestShare()).isEqualTo(0.8);
        assertThat(Winners.of(List.of(result)))
                .isEqualTo(" Fastest: vector 1 of 1 times; the fastest reaches 80% of the limit in the median.");
    }

    @Test
    void mixedTextsHaveLengthsOfEveryKind() {
        int[][] ids = Op.Encode.named("32xmix").ids();
        assertThat(Arrays.stream(ids).mapToInt(text -> text.length))
                .hasSize(32)
                .doesNotHaveDuplicates()
                .contains(8, 128);
        assertThat(ids[3]).startsWith(101, 1000 + (7919 + 3 * 104729) % 20000).endsWith(102);
    }

    @Test
    void fullSpeedBeginsWithTheFirstFastWindow() {
        // 30 calls of 50 ms and then 200 of 1 ms, one of which was held up
        long[] ends = new long[231];
        for (int i = 1; i < ends.length; i++) {
            ends[i] = ends[i - 1] + (i <= 30 ? 50_000_000 : i == 100 ? 20_000_000 : 1_000_000);
        }
        FullSpeed found = FullSpeed.of(ends, ends.length);
        assertThat(found.callMillis()).isEqualTo(1);
        assertThat(found.afterMillis()).isCloseTo(1500, within(300.0));
        assertThat(FullSpeed.parse(found.toString())).isEqualTo(found);
        assertThat(FullSpeed.of(ends, 3).callMillis()).isNaN();
    }

    @Test
    void cachesAreReadWhereLinuxListsThem() throws IOException {
        assertThat(Caches.of(folder)).isEqualTo(new Caches(1 << 20, 32 << 20));
        index(0, 1, "48K");
        index(2, 2, "1280K");
        index(3, 3, "49152K");
        assertThat(Caches.of(folder)).isEqualTo(new Caches(1280 << 10, 48 << 20));
    }

    private void index(int index, int level, String size) throws IOException {
        Path cache = Files.createDirectory(folder.resolve("index" + index));
        Files.writeString(cache.resolve("level"), level + "\n");
        Files.writeString(cache.resolve("size"), size + "\n");
    }
}
