import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** ONNX Runtime Java on MiniLM-L6-v2; same inputs and protocol as encoder.py. */
public final class EncoderOrt {
    private static final int DIM = 384;

    public static void main(String[] args) throws Exception {
        String model = null;
        int threads = 1;
        String cases = "1x16,1x128,1x256,8x128,32x128,32xmix";
        boolean first = false;
        double budget = 1.5;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--model" -> model = args[++i];
                case "--threads" -> threads = Integer.parseInt(args[++i]);
                case "--cases" -> cases = args[++i];
                case "--budget" -> budget = Double.parseDouble(args[++i]);
                case "--first" -> first = true;
                default -> throw new IllegalArgumentException(args[i]);
            }
        }
        OrtEnvironment env = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
        OrtSession.SessionOptions o = new OrtSession.SessionOptions();
        o.setIntraOpNumThreads(threads);
        o.setInterOpNumThreads(1);
        try (OrtSession s = env.createSession(model, o)) {
            String out = s.getOutputNames().iterator().next();
            for (String name : first ? new String[] {"1x16"} : cases.split(",")) {
                Case c = new Case(env, name);
                float[][] v = c.run(s, out);
                if (first) {
                    emit("first", List.of(), v[0]);
                    return;
                }
                boolean one = name.startsWith("1x");
                emit(name, measure(() -> c.run(s, out), one ? 100 : 5, budget), v[c.shortest()]);
                c.close();
            }
        }
    }

    private interface Call {
        Object call() throws Exception;
    }

    private static List<Double> measure(Call f, int minIters, double budget) throws Exception {
        long start = System.nanoTime();
        // 1.5 s: the JIT needs longer than a native peer
        for (int i = 0; i < 2 || System.nanoTime() - start < 1_500_000_000L; i++) {
            f.call();
        }
        List<Double> ms = new ArrayList<>();
        long t0 = System.nanoTime();
        while (ms.size() < 1000) {
            long a = System.nanoTime();
            f.call();
            ms.add((System.nanoTime() - a) / 1e6);
            double el = (System.nanoTime() - t0) / 1e9;
            if (ms.size() >= minIters && el >= budget || ms.size() >= 2 && el > 20) {
                break;
            }
        }
        return ms;
    }

    private static void emit(String name, List<Double> ms, float[] emb) throws Exception {
        StringBuilder b = new StringBuilder("@@{\"case\": \"").append(name).append("\", \"ms\": [");
        for (int i = 0; i < ms.size(); i++) {
            b.append(i == 0 ? "" : ", ").append(String.format(Locale.ROOT, "%.5f", ms.get(i)));
        }
        b.append("], \"emb\": [");
        for (int i = 0; i < emb.length; i++) {
            b.append(i == 0 ? "" : ", ").append(emb[i]);
        }
        double hwm = Double.NaN;
        for (String l : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (l.startsWith("VmHWM:")) {
                hwm = Long.parseLong(l.replaceAll("[^0-9]", "")) / 1024.0;
            }
        }
        b.append("], \"rss_mb\": ").append(hwm).append('}');
        System.out.println(b);
        System.out.flush();
    }

    private static final class Case implements AutoCloseable {
        final int[] len;
        final int batch;
        final int max;
        final OnnxTensor ids;
        final OnnxTensor mask;
        final OnnxTensor types;
        final FloatBuffer result;
        final OnnxTensor hidden;
        final float[] buf;

        Case(OrtEnvironment env, String name) throws Exception {
            String[] p = name.split("x", 2);
            batch = Integer.parseInt(p[0]);
            len = new int[batch];
            int m = 0;
            for (int i = 0; i < batch; i++) {
                len[i] = p[1].equals("mix") ? 8 + (i * 13 % batch) * 120 / (batch - 1) : Integer.parseInt(p[1]);
                m = Math.max(m, len[i]);
            }
            max = m;
            LongBuffer a = direct(batch * max);
            LongBuffer k = direct(batch * max);
            for (int b = 0; b < batch; b++) {
                for (int i = 0; i < max; i++) {
                    boolean real = i < len[b];
                    long id =
                            !real ? 0 : i == 0 ? 101 : i == len[b] - 1 ? 102 : 1000 + (i * 7919L + b * 104729L) % 20000;
                    a.put(b * max + i, id);
                    k.put(b * max + i, real ? 1 : 0);
                }
            }
            long[] shape = {batch, max};
            ids = OnnxTensor.createTensor(env, a, shape);
            mask = OnnxTensor.createTensor(env, k, shape);
            types = OnnxTensor.createTensor(env, direct(batch * max), shape);
            result = ByteBuffer.allocateDirect(batch * max * DIM * 4)
                    .order(ByteOrder.nativeOrder())
                    .asFloatBuffer();
            hidden = OnnxTensor.createTensor(env, result, new long[] {batch, max, DIM});
            buf = new float[batch * max * DIM];
        }

        private static LongBuffer direct(int n) {
            return ByteBuffer.allocateDirect(n * 8)
                    .order(ByteOrder.nativeOrder())
                    .asLongBuffer();
        }

        int shortest() {
            int s = 0;
            for (int i = 1; i < batch; i++) {
                if (len[i] < len[s]) {
                    s = i;
                }
            }
            return s;
        }

        float[][] run(OrtSession s, String out) throws Exception {
            // a pinned output: ORT writes into our buffer, no copy in the binding
            try (OrtSession.Result r = s.run(
                    Map.of("input_ids", ids, "attention_mask", mask, "token_type_ids", types),
                    Set.of(),
                    Map.of(out, hidden))) {
                result.get(0, buf);
            }
            float[][] v = new float[batch][DIM];
            for (int b = 0; b < batch; b++) {
                float[] acc = v[b];
                for (int i = 0; i < len[b]; i++) {
                    int at = (b * max + i) * DIM;
                    for (int d = 0; d < DIM; d++) {
                        acc[d] += buf[at + d];
                    }
                }
                double n = 0;
                for (int d = 0; d < DIM; d++) {
                    n += (double) acc[d] * acc[d];
                }
                float inv = (float) (1 / Math.sqrt(n));
                for (int d = 0; d < DIM; d++) {
                    acc[d] *= inv;
                }
            }
            return v;
        }

        @Override
        public void close() {
            ids.close();
            mask.close();
            types.close();
            hidden.close();
        }
    }
}
