package dev.gatun.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.MemoryBudget;
import dev.gatun.memory.MemoryBudgetException;
import dev.gatun.memory.RowFormat;
import dev.gatun.model.ChildJvm;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.decoder.DecoderSession.Resumed;
import dev.gatun.model.nn.CacheSettings;
import dev.gatun.model.nn.Fingerprint;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Sha256;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A session that was saved goes on in another process as if it had never stopped; nothing damaged or foreign is read. */
class SnapshotTest {
    static final int PROMPT = 600;
    static final SessionSize SIZE = new SessionSize(1, 700, 64, 1);
    private static final int MORE = 8;

    @TempDir
    Path folder;

    private interface Work {
        void run(DecoderModel model, Fingerprint fingerprint) throws IOException;
    }

    private static void with(Path model, Work work) throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
                DecoderModel loaded = DecoderModel.load(ModelFolder.of(model), backend)) {
            work.run(loaded, Fingerprint.of(loaded.sha256()));
        }
    }

    /** Logits of some tokens after the prompt. */
    private static float[][] goOn(DecoderSession session, Sequence sequence) {
        int[] ids = DecoderCacheTest.ids(MORE, 6);
        float[][] logits = new float[MORE][];
        for (int i = 0; i < MORE; i++) {
            session.decode(sequence, ids[i]);
            logits[i] = session.logits(0).toFloats();
        }
        return logits;
    }

    private static float[][] neverStopped(DecoderModel model, RowFormat format) {
        try (DecoderSession session = model.decoder().newSession(SIZE, CacheSettings.DEFAULT.with(format))) {
            return goOn(session, prompted(session));
        }
    }

    private static Sequence prompted(DecoderSession session) {
        Sequence sequence = session.newSequence();
        int[] ids = DecoderCacheTest.ids(PROMPT, 5);
        session.prefill(sequence, ids, 0, ids.length);
        return sequence;
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "mistral", "gemma3"})
    void goesOnWithTheSameBits(String family) throws IOException {
        with(DecoderCacheTest.longer(family, folder), (model, fingerprint) -> {
            Path file = folder.resolve("a.session");
            CacheSettings settings = CacheSettings.DEFAULT.keeping(2);
            CacheSettings[] all = {
                CacheSettings.DEFAULT,
                settings,
                settings.resident(3, folder),
                CacheSettings.DEFAULT.with(RowFormat.BF16),
                settings.resident(3, folder).with(RowFormat.Q8_0)
            };
            for (CacheSettings of : all) {
                float[][] expected = neverStopped(model, of.format());
                try (DecoderSession session = model.decoder().newSession(SIZE, of)) {
                    session.save(prompted(session), fingerprint, new byte[] {7}, file);
                }
                for (int time = 0; time < 2; time++) { // copy on write: the file stays as it is
                    Resumed resumed = model.decoder().resume(file, fingerprint, 1);
                    try (DecoderSession session = resumed.session()) {
                        assertThat(resumed.note()).containsExactly(7);
                        assertThat(resumed.sequence().ids()).isEqualTo(DecoderCacheTest.ids(PROMPT, 5));
                        assertThat(goOn(session, resumed.sequence())).isDeepEqualTo(expected);
                        assertThat(session.truncate(resumed.sequence(), 0)).isZero();
                        session.prefill(resumed.sequence(), DecoderCacheTest.ids(PROMPT, 5), 0, PROMPT);
                        assertThat(goOn(session, resumed.sequence())).isDeepEqualTo(expected);
                    }
                }
            }
        });
    }

    @Test
    void aFileIsWholeWheneverItsWriterIsKilled() throws IOException, InterruptedException {
        Path path = DecoderCacheTest.longer("llama", folder);
        Path file = folder.resolve("killed.session");
        with(path, (model, fingerprint) -> {
            float[][] expected = neverStopped(model, RowFormat.F32);
            for (int time = 0; time < 3; time++) {
                Process child = ChildJvm.start(
                        SnapshotChild.class, List.of("-XX:TieredStopAtLevel=1"), path.toString(), file.toString());
                try {
                    assertThat(child.inputReader().readLine()).isEqualTo("saved");
                    Thread.sleep(37L * time + 11);
                    child.destroyForcibly().waitFor();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                } finally {
                    child.destroyForcibly();
                }
                Resumed resumed = model.decoder().resume(file, fingerprint, 1);
                try (DecoderSession session = resumed.session()) {
                    assertThat(goOn(session, resumed.sequence())).isDeepEqualTo(expected);
                }
            }
            try (DecoderSession session = model.decoder().newSession(SIZE)) {
                session.save(prompted(session), fingerprint, new byte[0], file);
            }
            try (Stream<Path> files = Files.list(folder)) {
                assertThat(files.filter(left -> left.toString().endsWith(".gatun-tmp")))
                        .as("the killed ones' files")
                        .isEmpty();
            }
        });
    }

    @Test
    void whatIsDamagedOrForeignIsRefused() throws IOException {
        Path file = folder.resolve("b.session");
        with(DecoderCacheTest.longer("llama", folder), (model, fingerprint) -> {
            Decoder decoder = model.decoder();
            try (DecoderSession session = decoder.newSession(SIZE)) {
                session.save(prompted(session), fingerprint, new byte[3], file);
            }
            byte[] whole = Files.readAllBytes(file);
            int data = (whole.length - 1) / 2;
            for (int at : new int[] {0, 7, 8, 11, 12, 50, 80, 84, 88, 92, 96, 100, 500, 2500, 4096, 4100, data}) {
                byte[] damaged = whole.clone();
                damaged[at] ^= 0x10;
                Files.write(file, damaged);
                assertThatThrownBy(() -> decoder.resume(file, fingerprint, 1))
                        .as("byte %d", at)
                        .isInstanceOf(ModelFormatException.class)
                        .hasMessageContaining(file.toString());
            }
            for (int length : new int[] {0, 11, 95, 2000, 4096, data, whole.length - 1}) {
                Files.write(file, Arrays.copyOf(whole, length));
                assertThatThrownBy(() -> decoder.resume(file, fingerprint, 1)).isInstanceOf(ModelFormatException.class);
            }
            Files.write(file, whole);
            decoder.resume(file, fingerprint, 1).session().close();
            assertThatThrownBy(() -> decoder.resume(file, new Fingerprint(fingerprint.model(), Sha256.of("other")), 1))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("another tokenizer");
            assertThatThrownBy(() -> decoder.resume(folder.resolve("none"), fingerprint, 1))
                    .isInstanceOf(NoSuchFileException.class);
        });
        with(
                DecoderCacheTest.longer("mistral", folder),
                (model, fingerprint) -> assertThatThrownBy(() -> model.decoder().resume(file, fingerprint, 1))
                        .isInstanceOf(ModelFormatException.class)
                        .hasMessageContaining("another model"));
    }

    @Test
    void aResumedSessionIsWithinTheBudget() throws IOException {
        Path path = DecoderCacheTest.longer("llama", folder);
        Path file = folder.resolve("c.session");
        with(path, (model, fingerprint) -> {
            try (DecoderSession session = model.decoder().newSession(SIZE)) {
                session.save(prompted(session), fingerprint, new byte[0], file);
            }
        });
        long bytes;
        try (Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null));
                DecoderModel model = DecoderModel.load(ModelFolder.of(path), backend.forPlanning())) {
            bytes = model.plan()
                    .plus(model.decoder().plan(new SessionSize(1, 700, 256, 1)))
                    .totalBytes();
        }
        for (int less = 0; less < 2; less++) {
            var options = new Backend.Options(Kind.VECTOR, 1, null).with(MemoryBudget.of(bytes - less));
            try (Backend backend = Backend.open(options);
                    DecoderModel model = DecoderModel.load(ModelFolder.of(path), backend)) {
                Fingerprint fingerprint = Fingerprint.of(model.sha256());
                if (less == 0) {
                    model.decoder().resume(file, fingerprint, 1).session().close();
                } else {
                    assertThatThrownBy(() -> model.decoder().resume(file, fingerprint, 1))
                            .isInstanceOf(MemoryBudgetException.class);
                }
            }
        }
    }
}
