package dev.gatun.bench;

import dev.gatun.bench.Op.NativeFunction;
import dev.gatun.bench.Op.RowFunction;
import dev.gatun.memory.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The named operations: layers of the models that people run, and the sizes that the project's goals speak of.
 *
 * @param caches beyond which streams of memory go
 * @param quick whether only some of them are wanted
 * @param longest the most positions that attention has, and rows that weights have
 */
record Catalogue(Caches caches, boolean quick, int longest) {
    /**
     * A linear layer.
     *
     * @param goal whether the project's goals name its shape, so that it is measured at every M
     */
    private record Layer(String name, int n, int k, boolean goal) {}

    private static final List<Layer> LAYERS = List.of(
            new Layer("MiniLM attention", 384, 384, true),
            new Layer("MiniLM ffn up", 1536, 384, true),
            new Layer("MiniLM ffn down", 384, 1536, true),
            new Layer("OPUS-MT attention", 512, 512, false),
            new Layer("OPUS-MT ffn up", 2048, 512, false),
            new Layer("SmolLM2 query", 576, 576, false),
            new Layer("SmolLM2 ffn up", 1536, 576, false),
            new Layer("SmolLM2 ffn down", 576, 1536, false),
            new Layer("GPT-2 qkv", 2304, 768, false),
            new Layer("GPT-2 projection", 768, 768, true),
            new Layer("GPT-2 ffn up", 3072, 768, true),
            new Layer("GPT-2 ffn down", 768, 3072, false),
            new Layer("BERT-large attention", 1024, 1024, true),
            new Layer("BERT-large ffn up", 4096, 1024, true));

    private static final int[] GOAL_ROWS = {8, 16, 32, 128, 256};
    private static final int[] ROWS = {4, 128};

    /** As bench/peers has them. */
    private static final List<String> ENCODER_CASES = List.of("1x16", "1x128", "1x256", "8x128", "32x128", "32xmix");

    /** Weight types of {@link Group#MATVEC}. A type that a backend widens at load is still counted as it is stored. */
    private static final List<DType> WEIGHT_TYPES = List.of(DType.F32, DType.BF16);

    /** All of them as large as they get. */
    Catalogue(Caches caches, boolean quick) {
        this(caches, quick, Integer.MAX_VALUE);
    }

    /** The operations of a group; none for groups that are no list of operations. */
    List<Case> cases(Group group) {
        return switch (group) {
            case MATMUL -> matmul();
            case MATVEC -> matvec();
            case ATTENTION -> attention();
            case LONG -> longAttention();
            case ENCODER -> encoder();
            case ROWS -> rows();
            case CALLS -> calls();
            case MODEL, DECODER, SEQ2SEQ, FIRST_TOKEN, RECORDED, COLD -> List.of();
        };
    }

    /**
     * One of all names.
     *
     * @throws IllegalArgumentException if there is none
     */
    static Op named(String name) {
        Catalogue catalogue = new Catalogue(Caches.here(), false);
        for (Group group : Group.values()) {
            for (Case found : catalogue.cases(group)) {
                if (found.name().equals(name)) {
                    return found.op();
                }
            }
        }
        throw new IllegalArgumentException("no operation is called " + name);
    }

    /** The layers, no larger than wanted. */
    private List<Layer> layers() {
        return LAYERS.stream()
                .map(layer -> new Layer(layer.name, Math.min(layer.n, longest), layer.k, layer.goal))
                .toList();
    }

    private List<Case> matmul() {
        List<Case> cases = new ArrayList<>();
        for (Layer layer : layers()) {
            if (quick) {
                if (layer.goal) {
                    cases.add(linear(Group.MATMUL, layer, 8));
                    cases.add(linear(Group.MATMUL, layer, 128));
                }
            } else {
                for (int m : layer.goal ? GOAL_ROWS : ROWS) {
                    cases.add(linear(Group.MATMUL, layer, m));
                }
            }
        }
        if (!quick) {
            cases.add(linear(Group.MATMUL, new Layer("square", 2048, 2048, true), 2048));
        }
        return cases;
    }

    private static Case linear(Group group, Layer layer, int m) {
        return new Case(
                group,
                layer.name + " " + layer.n + "x" + layer.k,
                "M " + m,
                new Op.Linear(m, layer.n, layer.k, DType.F32, 1));
    }

    private List<Case> encoder() {
        List<Case> cases = new ArrayList<>();
        for (String name : ENCODER_CASES) {
            Op.Encode op = Op.Encode.named(name);
            int most = Math.max(2, longest / 16);
            var capped =
                    new Op.Encode(Math.min(op.sequences(), most), Math.min(op.from(), most), Math.min(op.to(), most));
            cases.add(new Case(Group.ENCODER, "MiniLM-L6-v2", name, capped));
        }
        return cases;
    }

    private List<Case> matvec() {
        List<Layer> layers = new ArrayList<>(layers());
        layers.add(new Layer("SmolLM2 vocabulary", Math.min(49152, longest), 576, true));
        List<Case> cases = new ArrayList<>();
        for (DType type : WEIGHT_TYPES) {
            for (Layer layer : layers) {
                boolean wanted = layer.name.startsWith("SmolLM2") || layer.name.startsWith("GPT-2 ffn") || layer.goal;
                if (quick ? layer.name.startsWith("SmolLM2") : wanted) {
                    cases.add(new Case(
                            Group.MATVEC,
                            layer.name + " " + layer.n + "x" + layer.k,
                            type.name().toLowerCase(Locale.ROOT),
                            new Op.Linear(1, layer.n, layer.k, type, copies(layer.n, layer.k, type))));
                }
            }
        }
        return cases;
    }

    /** So many that none is still in a cache when its turn comes. */
    private int copies(int n, int k, DType type) {
        long bytes = (long) n * k * type.byteSize();
        return (int) (1 + caches.beyondCaches() / bytes);
    }

    private List<Case> attention() {
        List<Case> cases = new ArrayList<>();
        cases.add(attention("MiniLM", 12, 12, 32, 128, false));
        cases.add(attention("OPUS-MT", 8, 8, 64, 128, false));
        cases.add(attention("GPT-2", 12, 12, 64, Math.min(1024, longest), true));
        cases.add(attention("SmolLM2", 9, 3, 64, Math.min(2048, longest), true));
        int[] lengths = quick ? new int[] {512, 2048} : new int[] {128, 512, 2048, 8192};
        for (boolean causal : new boolean[] {true, false}) {
            for (int dK : quick ? new int[] {64} : new int[] {64, 128}) {
                for (int ctx : lengths) {
                    if (ctx > longest) {
                        continue;
                    }
                    cases.add(attention(causal ? "causal" : "full", ctx > 2048 ? 2 : 8, dK, ctx, causal));
                }
            }
        }
        if (!quick) {
            cases.add(attention("causal", 2, 64, 32768, true));
        }
        return cases;
    }

    private static List<Case> longAttention() {
        List<Case> cases = new ArrayList<>();
        for (boolean causal : new boolean[] {true, false}) {
            for (int dK : new int[] {64, 128}) {
                Case longest = attention(causal ? "causal" : "full", 2, dK, 32768, causal);
                cases.add(new Case(Group.LONG, longest.family(), longest.variant(), longest.op()));
            }
        }
        return cases;
    }

    private static Case attention(String name, int heads, int dK, int ctx, boolean causal) {
        return attention(name, heads, heads, dK, ctx, causal);
    }

    private static Case attention(String name, int heads, int kvHeads, int dK, int ctx, boolean causal) {
        String shape = heads == kvHeads ? "" : " heads " + heads + "/" + kvHeads;
        return new Case(
                Group.ATTENTION,
                name + " dK " + dK + shape,
                "ctx " + ctx,
                new Op.Attention(heads, kvHeads, dK, ctx, causal));
    }

    private List<Case> rows() {
        List<Case> cases = new ArrayList<>();
        cases.add(rows("GPT-2 scores", RowFunction.SOFTMAX, 1024));
        if (!quick) {
            cases.add(rows("SmolLM2 vocabulary", RowFunction.SOFTMAX, 49152));
            cases.add(rows("MiniLM", RowFunction.LAYER_NORM, 384));
        }
        cases.add(rows("GPT-2", RowFunction.LAYER_NORM, 768));
        cases.add(rows("SmolLM2", RowFunction.RMS_NORM, 576));
        cases.add(rows("MiniLM ffn", RowFunction.GELU, 1536));
        return cases;
    }

    private Case rows(String name, RowFunction function, int d) {
        int rows = (int) (1 + caches.beyondCaches() / (2L * Float.BYTES * d));
        String title = function.name().toLowerCase(Locale.ROOT).replace("_", " ");
        return new Case(Group.ROWS, title, name + " " + d, new Op.Rows(function, rows, d));
    }

    private static List<Case> calls() {
        List<Case> cases = new ArrayList<>();
        for (NativeFunction function : NativeFunction.values()) {
            String[] words = function.name().toLowerCase(Locale.ROOT).split("_", -1);
            String family = switch (words[0]) {
                case "sgemm" -> "sgemm 1x1x1";
                case "sgemv" -> "sgemv 64x64";
                default -> "openblas_get_num_threads";
            };
            String variant = words.length > 1 ? words[1] : "plain";
            cases.add(new Case(Group.CALLS, family, variant, new Op.NativeCall(function)));
        }
        return cases;
    }
}
