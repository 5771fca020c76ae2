package dev.gatun.model.encoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import dev.gatun.model.weights.Weights;
import dev.gatun.ops.Activation;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/** Makes the parts of an encoder from a checkpoint's tensors. */
final class Parts {
    /** Tensors that checkpoints have and nobody needs: counters, and heads of tasks that training had beside. */
    private static final Pattern NEEDLESS =
            Pattern.compile("(.*\\.)?(position_ids|token_type_ids)|cls\\.seq_relationship\\..*|.*sop_classifier\\..*");

    /** Heads, which a model without one leaves alone. */
    private static final Pattern HEADS = Pattern.compile(
            "(cls|classifier|cls_classifier|distillation_classifier|qa_outputs"
                + "|lm_head|pre_classifier|vocab_[a-z_]+|predictions|generator_[a-z_]+|discriminator_[a-z_]+|head|decoder)\\..*");

    private final Loader loader;
    private final List<String> needless = new ArrayList<>();

    Parts(Loader loader) {
        this.loader = loader;
    }

    Weights weights() {
        return loader.weights();
    }

    Arena arena() {
        return loader.arena();
    }

    /** {@code base.} where the checkpoint's body is under that prefix; nothing where it has no prefix. */
    String prefix(String base, String tensor) {
        return weights().has(base + "." + tensor) ? base + "." : "";
    }

    /** Tensors that start so are none of this model's business. */
    void ignore(String start) {
        needless.add(start);
    }

    /** {@code name.weight} [n, k] and, where there is one, {@code name.bias} [n]. */
    Linear linear(String name, int n, int k) {
        return linear(name + ".weight", name + ".bias", n, k);
    }

    /** A weight [n, k] and a bias [n], if there is one, by their own names. */
    Linear linear(String weight, String bias, int n, int k) {
        PackedWeight packed = pack(weight, n, k, () -> weights().require(weight, n, k));
        return new Linear(packed, weights().has(bias) ? loader.vector(bias, n) : null);
    }

    /**
     * Layers [n, k] that read the same rows as one, [{@code names} &middot; n, k]: their weights one above the other. A bias that one
     * of them has, the others have as zeros.
     *
     * @param names of the layers, each after {@code prefix}
     */
    Linear stacked(int n, int k, String prefix, String... names) {
        Tensor[] biases = new Tensor[names.length];
        boolean biased = false;
        for (int i = 0; i < names.length; i++) {
            if (weights().has(prefix + names[i] + ".bias")) {
                biases[i] = loader.vector(prefix + names[i] + ".bias", n);
                biased = true;
            }
        }
        Tensor bias = biased ? Tensor.allocate(arena(), DType.F32, Shape.of(names.length * n)) : null;
        for (int i = 0; i < names.length && bias != null; i++) {
            if (biases[i] != null) {
                biases[i].copyRun(0, bias, (long) i * n, n);
            }
        }
        try (Arena temporary = Arena.ofShared()) {
            PackedWeight packed = pack(
                    prefix + String.join("+", names), names.length * n, k, () -> stack(n, k, prefix, names, temporary));
            return new Linear(packed, bias);
        }
    }

    /** Weights one above the other, in the model's memory if the backend reads them there. */
    private Tensor stack(int n, int k, String prefix, String[] names, Arena temporary) {
        Tensor[] weights = new Tensor[names.length];
        Arrays.setAll(weights, i -> weights().require(prefix + names[i] + ".weight", n, k));
        DType type = weights[0].dtype();
        boolean alike = Arrays.stream(weights).allMatch(w -> w.dtype() == type && w.isContiguous());
        boolean inPlace = loader.backend().readsInPlace(alike ? type : DType.F32);
        boolean planning = loader.backend().isForPlanning();
        Tensor all = Tensor.allocate(
                inPlace && !planning ? loader.arena() : temporary,
                alike ? type : DType.F32,
                Shape.of(names.length * n, k));
        if (planning) {
            loader.arena().expect(inPlace ? all.byteSize() : 0);
            return all;
        }
        for (int i = 0; i < names.length; i++) {
            if (alike) {
                weights[i].copyRun(0, all, (long) i * n * k, (long) n * k);
            } else {
                all.slice(0, i * n, (i + 1) * n).copyFrom(weights[i]);
            }
        }
        return all;
    }

    /** A projection to the vocabulary: with a weight of its own, or tied to the embedding. */
    Linear decoder(String weight, String bias, Tensor words) {
        int n = words.dim(0);
        int k = words.dim(1);
        if (weights().has(bias.replaceAll("bias$", "decoder.bias"))) {
            ignore(bias.replaceAll("bias$", "decoder.bias")); // a second name of the same numbers
        }
        boolean own = weights().has(weight);
        return new Linear(
                pack(
                        own ? weight : "lm_head.embedding",
                        n,
                        k,
                        () -> own ? weights().require(weight, n, k) : words),
                loader.vector(bias, n));
    }

    /** A weight [n, k], as {@link Loader#pack(String, int, int, Supplier)}. */
    PackedWeight pack(String key, int n, int k, Supplier<Tensor> source) {
        return loader.pack(key, n, k, source);
    }

    /** {@code name.weight} [d] and {@code name.bias} [d], or as TensorFlow's checkpoints call them gamma and beta. */
    LayerNorm norm(String name, int d, float epsilon) {
        String weight = weights().has(name + ".gamma") ? name + ".gamma" : name + ".weight";
        String bias = weights().has(name + ".beta") ? name + ".beta" : name + ".bias";
        return new LayerNorm(loader.vector(weight, d), weights().has(bias) ? loader.vector(bias, d) : null, epsilon);
    }

    /** The feed-forward network of two layers (Vaswani et al. 2017, section 3.3). */
    static EncoderBlock.Network network(Linear fc1, Activation activation, Linear fc2) {
        return (ops, in, block) -> {
            fc1.forward(ops, in, activation, block.hidden()); //                                 [n, dFf]
            ops.linearAdd(block.hidden(), fc2.weight(), fc2.bias(), block.x(), block.x()); //    [n, D]
        };
    }

    /** A matrix as the checkpoint has it. */
    Tensor matrix(String name, int rows, int cols) {
        return weights().require(name, rows, cols);
    }

    /** A tensor of any floating-point type as F32. */
    Tensor f32(Tensor tensor) {
        return loader.f32(tensor);
    }

    /** The model's backend. */
    Loader loader() {
        return loader;
    }

    /**
     * Refuses tensors that the model does not have: a checkpoint of something else, or of something that was changed.
     *
     * @param task with {@link Task#FEATURES} there may be a head that nobody asked for
     */
    void checkAllUsed(Task task) {
        SortedSet<String> unused = weights().unused();
        unused.removeIf(name -> NEEDLESS.matcher(name).matches()
                || needless.stream().anyMatch(name::startsWith)
                || task == Task.FEATURES && HEADS.matcher(name).matches());
        if (!unused.isEmpty()) {
            throw new ModelFormatException(
                    weights().source() + ": tensors that this kind of model does not have: " + unused);
        }
    }

    /** Names of what a head scores: {@code id2label}, or as many as {@code num_labels} says (2 unless it does). */
    static List<String> labels(JsonConfig json) {
        if (!json.has("id2label")) {
            int n = json.optionalInt("num_labels", 2, 1, 1 << 20);
            List<String> names = new ArrayList<>();
            for (int i = 0; i < n; i++) {
                names.add("LABEL_" + i);
            }
            return names;
        }
        JsonConfig names = json.requireObject("id2label");
        var byId = new TreeMap<Integer, String>();
        for (String id : names.keys()) {
            if (!id.matches("\\d{1,7}")) {
                throw new ModelFormatException(json.file() + ": id2label has \"" + id + "\", which is no number");
            }
            byId.put(Integer.parseInt(id), names.requireString(id));
        }
        if (byId.isEmpty() || byId.lastKey() != byId.size() - 1) {
            throw new ModelFormatException(
                    json.file() + ": id2label has the ids " + byId.keySet() + ", not 0 to " + (byId.size() - 1));
        }
        return List.copyOf(byId.values());
    }
}
