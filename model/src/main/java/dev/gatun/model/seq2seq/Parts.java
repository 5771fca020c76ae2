package dev.gatun.model.seq2seq;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.model.nn.Loader;
import dev.gatun.model.weights.JsonConfig;
import dev.gatun.model.weights.ModelFormatException;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * What the files of most families have in common.
 *
 * @param json config.json
 * @param loader makes parts
 */
record Parts(JsonConfig json, Loader loader) {
    static final int MAX = 1 << 20;

    int dim(String key) {
        return json.requireInt(key, 1, MAX);
    }

    static <L> List<L> layers(int n, IntFunction<L> layer) {
        return IntStream.range(0, n).mapToObj(layer).toList();
    }

    /** The first of these tensors [vocab, d] that the checkpoint has: tied weights are saved under one name or under several. */
    Tensor shared(int vocab, int d, String... names) {
        for (String name : names) {
            if (loader.weights().has(name)) {
                return loader.weights().require(name, vocab, d);
            }
        }
        throw new ModelFormatException(loader.weights().source() + ": has none of the embeddings " + List.of(names));
    }

    /** Counts matrices [n, k] that only repeat others, or that we compute ourselves, as known where they are there. */
    void repeated(int n, int k, String... names) {
        for (String name : names) {
            if (loader.weights().has(name)) {
                loader.weights().require(name, n, k);
            }
        }
    }

    /** {@code name.weight} [n, k] without a bias. */
    Linear plain(String name, int n, int k) {
        return new Linear(loader.pack(name + ".weight", n, k), null);
    }
}
