import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.safetensors.SafeTensorSupport;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Jlama on SmolLM2-135M; same prompts, cases and protocol as decoder.py. */
public final class DecoderJlama {
    private final AbstractModel model;
    private final KvBufferCache cache;
    private final AbstractTensor logits;
    private KvBufferCache.KvBuffer kv;
    private int pos;

    private DecoderJlama(AbstractModel model) {
        this.model = model;
        this.cache = new KvBufferCache(model);
        this.logits = model.makeDenseTensor(model.getConfig().vocabularySize);
    }

    private static int[] prompt(int n) {
        int[] p = new int[n];
        for (int i = 0; i < n; i++) {
            p[i] = 1000 + (int) (i * 7919L % 40000);
        }
        return p;
    }

    private int prefill(int[] ids) {
        if (kv != null) {
            kv.close();
        }
        kv = cache.getEphemeralKvBuffer();
        AbstractTensor last = model.batchForward(ids, 0, kv);
        pos = ids.length;
        int t = model.sample(last.slice(last.shape().first() - 1), 0f, 0.5f, logits);
        last.close();
        return t;
    }

    private int next(int t) {
        AbstractTensor out = model.forward(t, pos++, kv, Optional.empty());
        int n = model.sample(out, 0f, 0.5f, logits);
        out.close();
        return n;
    }

    public static void main(String[] a) throws Exception {
        String dir = null;
        String cases = "prefill128,prefill512,decode128,decode2048";
        String work = "F32";
        int threads = 1;
        int tokens = 0;
        int reps = 3;
        double cap = 25;
        boolean first = false;
        for (int i = 0; i < a.length; i++) {
            switch (a[i]) {
                case "--model" -> dir = a[++i];
                case "--cases" -> cases = a[++i];
                case "--work" -> work = a[++i];
                case "--threads" -> threads = Integer.parseInt(a[++i]);
                case "--tokens" -> tokens = Integer.parseInt(a[++i]);
                case "--first" -> first = true;
                case "--quantize" -> {
                    // the Q4 copy of --model, written to this folder
                    SafeTensorSupport.quantizeModel(
                            Path.of(dir), DType.Q4, new String[] {"norm"}, new String[0], Optional.of(Path.of(a[++i])));
                    return;
                }
                default -> throw new IllegalArgumentException(a[i]);
            }
        }
        AbstractModel m = ModelSupport.loadModel(
                new File(dir), null, DType.F32, DType.valueOf(work), Optional.empty(), Optional.of(threads));
        DecoderJlama d = new DecoderJlama(m);
        if (first || tokens > 0) {
            List<Integer> out = new ArrayList<>(List.of(d.prefill(prompt(32))));
            while (out.size() < tokens) {
                out.add(d.next(out.getLast()));
            }
            line(first ? "\"first\", \"tokens\": " + out : "\"greedy\", \"tokens\": " + out);
            System.exit(0);
        }
        // warm the JIT on both shapes before the clock starts
        long w = System.nanoTime();
        while (System.nanoTime() - w < 8_000_000_000L) {
            int t = d.prefill(prompt(128));
            for (int i = 0; i < 32; i++) {
                t = d.next(t);
            }
        }
        for (String c : cases.split(",")) {
            int n = Integer.parseInt(c.replaceAll("[^0-9]", ""));
            boolean pre = c.startsWith("prefill");
            int steps = n == 128 ? 128 : 32;
            List<Double> s = new ArrayList<>();
            long t0 = System.nanoTime();
            do {
                if (pre) {
                    long b = System.nanoTime();
                    d.prefill(prompt(n));
                    s.add((System.nanoTime() - b) / 1e9);
                } else {
                    int t = d.prefill(prompt(n == 128 ? 32 : n));
                    long b = System.nanoTime();
                    for (int i = 0; i < steps; i++) {
                        t = d.next(t);
                    }
                    s.add((System.nanoTime() - b) / 1e9);
                }
            } while (s.size() < (!pre && n != 128 ? 1 : reps) && (System.nanoTime() - t0) / 1e9 < cap);
            line("\"" + c + "\", \"s\": " + s + ", \"tokens\": " + (pre ? n : steps));
        }
        System.exit(0);
    }

    private static void line(String body) throws Exception {
        double hwm = 0;
        for (String l : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (l.startsWith("VmHWM:")) {
                hwm = Long.parseLong(l.replaceAll("[^0-9]", "")) / 1024.0;
            }
        }
        System.out.println("@@{\"case\": " + body + ", \"rss_mb\": " + hwm + "}");
        System.out.flush();
    }
}
