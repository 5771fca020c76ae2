package dev.gatun.bench;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import dev.gatun.cli.ModelOption;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** ONNX Runtime, on the file that our embedder reads. It takes rectangles: shorter texts are padded and masked. */
final class OnnxRuntimeLibrary implements Library {
    private static final int HIDDEN = 384;

    private final OrtEnvironment environment;
    private final OrtSession session;

    /**
     * @throws UnsupportedOperationException if it is not there for this system, or its model is not; the message says why
     */
    OnnxRuntimeLibrary(int threads) {
        try (Arena arena = Arena.ofConfined();
                OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            environment = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            String file = ModelOption.byDefault().open("model.onnx", arena).name();
            session = environment.createSession(file, options);
        } catch (OrtException | IOException | LinkageError e) {
            throw new UnsupportedOperationException(e.getMessage(), e);
        }
    }

    @Override
    public String description() {
        return "ONNX Runtime " + environment.getVersion() + ", Java";
    }

    @Override
    public @Nullable Workload open(Op op) {
        try {
            return op instanceof Op.Encode encode ? new Batch(encode.ids()) : null;
        } catch (OrtException e) {
            throw failed(e);
        }
    }

    private static IllegalStateException failed(OrtException e) {
        return new IllegalStateException("ONNX Runtime: " + e.getMessage(), e);
    }

    /** Its result is written to a buffer of ours, so nothing is copied in the binding. */
    private final class Batch implements Workload {
        private final int[][] ids;
        private final int width;
        private final OnnxTensor words;
        private final OnnxTensor mask;
        private final OnnxTensor types;
        private final FloatBuffer result;
        private final OnnxTensor hidden;
        private final float[] states;
        private final float[][] vectors;
        private final String output = session.getOutputNames().iterator().next();

        Batch(int[][] ids) throws OrtException {
            this.ids = ids;
            int longest = 0;
            for (int[] text : ids) {
                longest = Math.max(longest, text.length);
            }
            width = longest;
            LongBuffer wordIds = longs();
            LongBuffer ones = longs();
            for (int b = 0; b < ids.length; b++) {
                for (int i = 0; i < ids[b].length; i++) {
                    wordIds.put(b * width + i, ids[b][i]);
                    ones.put(b * width + i, 1);
                }
            }
            long[] shape = {ids.length, width};
            words = OnnxTensor.createTensor(environment, wordIds, shape);
            mask = OnnxTensor.createTensor(environment, ones, shape);
            types = OnnxTensor.createTensor(environment, longs(), shape);
            int size = ids.length * width * HIDDEN;
            result = ByteBuffer.allocateDirect(size * Float.BYTES)
                    .order(ByteOrder.nativeOrder())
                    .asFloatBuffer();
            hidden = OnnxTensor.createTensor(environment, result, new long[] {ids.length, width, HIDDEN});
            states = new float[size];
            vectors = new float[ids.length][HIDDEN];
        }

        private LongBuffer longs() {
            return ByteBuffer.allocateDirect(ids.length * width * Long.BYTES)
                    .order(ByteOrder.nativeOrder())
                    .asLongBuffer();
        }

        @Override
        public void run() {
            try (OrtSession.Result _ = session.run(
                    Map.of("input_ids", words, "attention_mask", mask, "token_type_ids", types),
                    Set.of(),
                    Map.of(output, hidden))) {
                result.get(0, states);
            } catch (OrtException e) {
                throw failed(e);
            }
            for (int b = 0; b < ids.length; b++) {
                pool(b, vectors[b]);
            }
        }

        /** The mean of a text's tokens, normalised. */
        private void pool(int b, float[] vector) {
            Arrays.fill(vector, 0f);
            for (int i = 0; i < ids[b].length; i++) {
                int at = (b * width + i) * HIDDEN;
                for (int d = 0; d < HIDDEN; d++) {
                    vector[d] += states[at + d];
                }
            }
            double squares = 0;
            for (float x : vector) {
                squares += (double) x * x;
            }
            float inverse = (float) (1 / Math.sqrt(squares));
            for (int d = 0; d < HIDDEN; d++) {
                vector[d] *= inverse;
            }
        }

        @Override
        public void close() {
            words.close();
            mask.close();
            types.close();
            hidden.close();
        }
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException e) {
            throw failed(e);
        }
    }
}
