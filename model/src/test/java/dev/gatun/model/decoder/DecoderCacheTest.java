package dev.gatun.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.memory.RowFormat;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import dev.gatun.ops.BackendUnavailableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.junit.jupiter.params.provider.ValueSource;

/** Shared prefixes, windows and pages in a file: the same bits as the plain run. */
class DecoderCacheTest {
    private static Backend backend;

    @TempDir
    static Path folder;

    @BeforeAll
    static void open() {
        backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    /** A golden model with room for longer sequences than its own 64, and a window of 5. */
    private static DecoderModel longer(String family, Backend backend) throws IOException {
        return DecoderModel.load(ModelFolder.of(longer(family, folder)), backend);
    }

    static Path longer(String family, Path folder) throws IOException {
        Path copy = Files.createTempDirectory(folder, family);
        try (Stream<Path> files = Files.list(Path.of("../golden/models", family))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        Path config = copy.resolve("config.json");
        Files.writeString(
                config,
                Files.readString(config)
                        .replaceAll("\"max_position_embeddings\": \\d+", "\"max_position_embeddings\": 4096"));
        return copy;
    }

    static int[] ids(int n, int seed) {
        return new SplittableRandom(seed).ints(n, 3, 128).toArray();
    }

    /** Logits after the last of the ids, and after each of some decoded ones. */
    static float[][] plain(Decoder model, int[] ids, int decoded) {
        try (DecoderSession session = model.newSession(SessionSize.forOne(ids.length))) {
            return run(session, session.newSequence(), ids, 0, decoded);
        }
    }

    static float[][] run(DecoderSession session, Sequence sequence, int[] ids, int from, int decoded) {
        float[][] logits = new float[decoded + 1][];
        int prompt = ids.length - decoded;
        session.prefill(sequence, ids, from, prompt);
        logits[0] = session.logits(0).toFloats();
        for (int i = 0; i < decoded; i++) {
            session.decode(sequence, ids[prompt + i]);
            logits[i + 1] = session.logits(0).toFloats();
        }
        return logits;
    }

    private static final SessionSize TWO = new SessionSize(2, 1100, 64, 2);

    @Test
    void sequencesWithTheSameBeginningShareItsPages() throws IOException {
        try (DecoderModel loaded = longer("llama", backend)) {
            Decoder model = loaded.decoder();
            int[] one = ids(800, 1);
            int[] two = one.clone();
            for (int i = 600; i < two.length; i++) {
                two[i] = 3 + (one[i] + 1) % 100;
            }
            float[][] expected = plain(model, two, 5);
            try (DecoderSession session = model.newSession(TWO, CacheSettings.DEFAULT.keeping(4))) {
                int all = session.freePages();
                Sequence first = session.newSequence();
                assertThat(session.reuse(first, one, one.length)).isZero();
                session.prefill(first, one, 0, one.length);
                Sequence second = session.newSequence();
                assertThat(session.reuse(second, two, two.length - 5)).isEqualTo(512);
                assertThat(session.freePages()).isEqualTo(all - 4);
                assertThat(run(session, second, two, 512, 5)).isDeepEqualTo(expected);
                assertThat(session.freePages()).isEqualTo(all - 4 - 2);
                session.release(first);
                session.release(second);
                Sequence third = session.newSequence();
                assertThat(session.reuse(third, two, two.length - 5))
                        .as("pages of those that are gone")
                        .isEqualTo(768);
                assertThat(run(session, third, two, 768, 5)).isDeepEqualTo(expected);
                assertThat(session.truncate(third, 300)).isEqualTo(300); // into a page that others may look for
                session.prefill(third, ids(200, 7), 0, 200);
                Sequence fourth = session.newSequence();
                assertThat(session.reuse(fourth, two, two.length - 5)).isEqualTo(256);
                assertThat(run(session, fourth, two, 256, 5)).isDeepEqualTo(expected);
            }
        }
    }

    @Test
    void whatIsKeptIsLimitedAndTheOldestGoesFirst() throws IOException {
        try (DecoderModel loaded = longer("llama", backend)) {
            try (DecoderSession session =
                    loaded.decoder().newSession(new SessionSize(1, 600, 64, 1), CacheSettings.DEFAULT.keeping(2))) {
                int all = session.freePages();
                assertThat(all).isEqualTo(3 + 2);
                for (int seed = 1; seed <= 3; seed++) {
                    Sequence sequence = session.newSequence();
                    session.prefill(sequence, ids(513, seed), 0, 513);
                    session.release(sequence);
                    assertThat(session.freePages()).isEqualTo(all);
                }
                int[] found = new int[4];
                for (int seed = 1; seed <= 3; seed++) {
                    Sequence sequence = session.newSequence();
                    found[seed] = session.reuse(sequence, ids(513, seed), 513);
                    session.release(sequence);
                }
                assertThat(found).containsExactly(0, 0, 0, 512);
                Sequence whole = session.newSequence(); // all pages can be had
                session.prefill(whole, ids(600, 9), 0, 600);
                assertThat(session.freePages()).isEqualTo(all - 3);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mistral", "gemma2", "gemma3"})
    void windowsKeepOnlyTheirPages(String family) throws IOException {
        try (DecoderModel loaded = longer(family, backend)) {
            Decoder model = loaded.decoder();
            int[] ids = ids(1000, 4);
            SessionSize size = new SessionSize(1, 1000, 64, 1);
            float[][] expected;
            try (DecoderSession session = model.newSession(size, CacheSettings.DEFAULT.keeping(1))) { // keeps all
                expected = run(session, session.newSequence(), ids, 0, 300);
            }
            try (DecoderSession session = model.newSession(size)) {
                Sequence sequence = session.newSequence();
                assertThat(run(session, sequence, ids, 0, 300)).isDeepEqualTo(expected);
                assertThat(session.truncate(sequence, 997))
                        .as("the window's pages are there")
                        .isEqualTo(997);
                session.prefill(sequence, ids, 997, 1000);
                assertThat(session.logits(0).toFloats()).isEqualTo(expected[300]);
                Sequence fork = session.fork(sequence);
                assertThat(session.truncate(sequence, 400))
                        .as("its pages are gone")
                        .isZero();
                session.release(fork);
                assertThat(run(session, sequence, ids, 0, 300)).isDeepEqualTo(expected);
            }
            long windowed = model.plan(size).totalBytes(Lifetime.SESSION);
            long whole = model.plan(size, CacheSettings.DEFAULT.keeping(1)).totalBytes(Lifetime.SESSION);
            assertThat(windowed).isLessThan(whole);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gemma2"})
    void pagesBeyondTheLimitWaitInAFile(String family) throws IOException {
        try (DecoderModel loaded = longer(family, backend)) {
            Decoder model = loaded.decoder();
            int n = 4;
            int[][] ids = new int[n][];
            float[][][] expected = new float[n][][];
            for (int i = 0; i < n; i++) {
                ids[i] = ids(500 + 40 * i, 20 + i);
                expected[i] = plain(model, ids[i], 6);
            }
            Path spill = folder.resolve("spill-" + family);
            CacheSettings settings = CacheSettings.DEFAULT.resident(4, spill);
            SessionSize size = new SessionSize(n, 1024, 64, n);
            try (DecoderSession session = model.newSession(size, settings)) {
                assertThat(session.byteSize())
                        .isEqualTo(model.plan(size, settings).totalBytes())
                        .isLessThan(model.plan(size).totalBytes());
                Sequence[] sequences = new Sequence[n];
                for (int i = 0; i < n; i++) {
                    sequences[i] = session.newSequence();
                    session.prefill(sequences[i], ids[i], 0, ids[i].length - 6);
                    assertThat(session.logits(0).toFloats()).isEqualTo(expected[i][0]);
                }
                for (int step = 0; step < 6; step++) { // in turns: each finds its pages in the file
                    for (int i = 0; i < n; i++) {
                        session.decode(sequences[i], ids[i][ids[i].length - 6 + step]);
                        assertThat(session.logits(0).toFloats()).isEqualTo(expected[i][step + 1]);
                    }
                }
                assertThatThrownBy(() -> session.decode(sequences, new int[] {5, 5, 5, 5}))
                        .isInstanceOf(MemoryBudgetException.class)
                        .hasMessageContaining("pages that are in memory");
                assertThat(session.truncate(sequences[0], ids[0].length - 1)).isEqualTo(ids[0].length - 1);
                session.decode(sequences[0], ids[0][ids[0].length - 1]);
                assertThat(session.logits(0).toFloats()).isEqualTo(expected[0][6]);
            }
            try (Stream<Path> left = Files.list(spill)) {
                assertThat(left).isEmpty();
            }
        }
    }

    @ParameterizedTest
    @EnumSource(mode = Mode.EXCLUDE, names = "F32")
    void eachFormatGivesOneResultHoweverTokensCome(RowFormat format) throws IOException {
        int[] ids = ids(700, 31);
        int decoded = 4;
        CacheSettings settings = CacheSettings.DEFAULT.with(format);
        float[][] expected = null;
        for (Kind kind : new Kind[] {Kind.SCALAR, Kind.VECTOR, Kind.MACHINE}) {
            try (Backend each = exact(kind);
                    DecoderModel loaded = longer("llama", each)) {
                Decoder model = loaded.decoder();
                SessionSize size = new SessionSize(1, ids.length, kind == Kind.SCALAR ? 256 : 100, 1);
                try (DecoderSession session = model.newSession(size, settings)) {
                    assertThat(session.byteSize())
                            .isEqualTo(model.plan(size, settings).totalBytes());
                    float[][] logits = run(session, session.newSequence(), ids, 0, decoded);
                    expected = expected == null ? logits : expected;
                    assertThat(logits).as("%s", kind).isDeepEqualTo(expected);
                }
            }
        }
        assertThat(expected[0]).isNotEqualTo(plain(ids, decoded)[0]);
        shares(ids, expected, settings);
    }

    /** The vector backend where this machine has no machine code. */
    private static Backend exact(Kind kind) {
        try {
            return Backend.open(new Backend.Options(kind, 2, null));
        } catch (BackendUnavailableException _) {
            return Backend.open(new Backend.Options(Kind.VECTOR, 2, null));
        }
    }

    private static float[][] plain(int[] ids, int decoded) throws IOException {
        try (DecoderModel loaded = longer("llama", backend)) {
            return plain(loaded.decoder(), ids, decoded);
        }
    }

    /** Beside another sequence, forked, found again, and from a file. */
    private static void shares(int[] ids, float[][] expected, CacheSettings format) throws IOException {
        int prompt = ids.length - expected.length + 1;
        CacheSettings settings = format.keeping(1).resident(7, folder.resolve("spill-" + format.format()));
        try (DecoderModel loaded = longer("llama", backend);
                DecoderSession session = loaded.decoder().newSession(new SessionSize(3, 700, 64, 3), settings)) {
            Sequence first = session.newSequence();
            session.prefill(first, ids, 0, 300);
            Sequence fork = session.fork(first);
            session.prefill(first, ids(300, 5), 0, 300);
            session.prefill(fork, ids, 300, prompt);
            assertThat(session.logits(0).toFloats()).isEqualTo(expected[0]);
            Sequence alike = session.newSequence();
            assertThat(session.reuse(alike, ids, prompt)).isEqualTo(512);
            session.prefill(alike, ids, 512, prompt);
            for (int i = prompt; i < ids.length; i++) {
                session.decode(new Sequence[] {fork, alike}, new int[] {ids[i], ids[i]});
                assertThat(session.logits(0).toFloats()).isEqualTo(expected[i - prompt + 1]);
                assertThat(session.logits(1).toFloats()).isEqualTo(expected[i - prompt + 1]);
            }
        }
    }
}
