package dev.gatun.model.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.gatun.model.Translator;
import dev.gatun.model.seq2seq.Seq2SeqModel;
import dev.gatun.model.transformer.Transformer.SessionSize;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Backend.Kind;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A decoding step allocates no heap object once it is compiled; and no native memory either, for each piece of that would come
 * with a MemorySegment on the heap.
 */
@Tag("allocation")
class DecodeAllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    /** C2 has to have compiled every kernel before boxes of vectors are gone. */
    private static final long WARM_UP_NANOS = 60_000_000_000L;

    @ParameterizedTest
    @CsvSource({"OPENBLAS,1", "OPENBLAS,2", "VECTOR,1", "VECTOR,2", "SCALAR,1"})
    void aStepAllocatesNothing(Kind kind, int threads) throws IOException {
        ModelFolder demo = ModelFolder.ofResources(Translator.class, "dev/gatun/model/demo/numerals-en-zh");
        try (Backend backend = Backend.open(new Backend.Options(kind, threads, null));
                Seq2SeqModel model = Seq2SeqModel.load(demo, backend);
                var session = model.transformer().newSession(new SessionSize(2, 1, 16, 60, 1))) {
            long deadline = System.nanoTime() + WARM_UP_NANOS;
            int clean = 0;
            // Not one lucky target: ten in a row.
            while (clean < 10 && System.nanoTime() < deadline) {
                clean = allocatedWhileDecoding(model, session) == 0 ? clean + 1 : 0;
            }
            assertThat(clean)
                    .as("targets of 60 tokens in a row without allocation")
                    .isEqualTo(10);
        }
    }

    private static long allocatedWhileDecoding(Seq2SeqModel model, TransformerSession session) {
        session.encode(new int[] {30, 4, 5, 31, 0}, new int[] {40, 0});
        int[] last = new int[session.hypotheses()];
        Arrays.fill(last, model.generation().startId());
        session.decode(last, 1); // the first one makes the views
        long before = THREADS.getCurrentThreadAllocatedBytes();
        for (int step = 1; step < 60; step++) {
            session.decode(last, 1);
            for (int i = 0; i < last.length; i++) {
                last[i] = session.argMax(i, 0);
            }
        }
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }
}
