package dev.gatun.model.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.generate.Sampler;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A decoding step allocates no heap object once it is compiled, and no native memory either: each piece would come with one. */
@Tag("allocation")
class DecoderAllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** C2 has to have compiled every kernel before boxes of vectors are gone. */
    private static final long WARM_UP_NANOS = 60_000_000_000L;

    @ParameterizedTest
    @CsvSource({"VECTOR,1,llama", "VECTOR,2,gemma2", "OPENBLAS,2,gpt2"})
    void aStepAllocatesNothing(Kind kind, int threads, String family) throws IOException {
        try (Backend backend = Backend.open(new Backend.Options(kind, threads, null));
                DecoderModel model = DecoderModel.load(ModelFolder.of(Path.of("../golden/models", family)), backend);
                DecoderSession session = model.decoder().newSession(SessionSize.forOne(64))) {
            long deadline = System.nanoTime() + WARM_UP_NANOS;
            int clean = 0;
            Sampler sampler = new Sampler(
                    new Sampling(0.8, 40, 0.95, 0.01, 1.1, 7),
                    model.decoder().config().vocab());
            while (clean < 10 && System.nanoTime() < deadline) {
                clean = allocatedWhileDecoding(session, sampler) == 0 ? clean + 1 : 0;
            }
            assertThat(clean)
                    .as("texts of 60 tokens in a row without allocation")
                    .isEqualTo(10);
        }
    }

    private static long allocatedWhileDecoding(DecoderSession session, Sampler sampler) {
        Sequence sequence = session.newSequence();
        session.prefill(sequence, new int[] {5, 6, 7}, 0, 3);
        int id = session.argMax(0);
        session.decode(sequence, id); // the first one makes the views
        long before = THREADS.getCurrentThreadAllocatedBytes();
        for (int step = 1; step < 60; step++) {
            session.decode(sequence, id);
            id = step % 2 == 0 ? session.argMax(0) : sampler.pick(session.logits(0), null);
            sampler.see(id);
        }
        long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
        session.release(sequence);
        return allocated;
    }
}
