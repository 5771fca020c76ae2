package dev.gatun.bench;

import dev.gatun.memory.DType;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.Weights;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The products of a model: its matrices as the files have them, by distinct shape [N, K] and type. Tables that are only looked up
 * in are among them, and a file that stores matrices transposed (GPT-2's) has N and K the other way round.
 */
final class ModelShapes {
    private static final int[] ROWS = {1, 8, 128};

    /**
     * A product and how many matrices of the model have its shape.
     *
     */
    record Shaped(Case benchmark, int count) {}

    private record Key(int n, int k, DType type) {}

    private ModelShapes() {}

    /**
     * Reads the shapes.
     *
     * @param model folder of a model, or one safetensors file
     */
    static List<Shaped> of(Path model, Caches caches) throws IOException {
        Map<Key, Integer> counts = new LinkedHashMap<>();
        Map<Key, String> names = new LinkedHashMap<>();
        try (Weights weights = Weights.open(model)) {
            for (String name : weights.names()) {
                Tensor tensor = weights.require(name);
                if (tensor.rank() == 2 && isWeight(tensor.dtype()) && tensor.elements() > 0) {
                    Key key = new Key(tensor.dim(0), tensor.dim(1), tensor.dtype());
                    counts.merge(key, 1, Integer::sum);
                    names.putIfAbsent(key, name);
                }
            }
        }
        List<Shaped> shapes = new ArrayList<>();
        counts.forEach((key, count) -> {
            long bytes = (long) key.n * key.k * key.type.byteSize();
            for (int m : ROWS) {
                int copies = m == 1 ? (int) (1 + caches.beyondCaches() / bytes) : 1;
                Case benchmark = new Case(
                        Group.MODEL,
                        count + " of " + key.n + "x" + key.k + " " + key.type + " as " + names.get(key),
                        "M " + m,
                        new Op.Linear(m, key.n, key.k, key.type, copies));
                shapes.add(new Shaped(benchmark, count));
            }
        });
        return shapes;
    }

    private static boolean isWeight(DType type) {
        return type == DType.F32 || type == DType.BF16 || type == DType.F16;
    }
}
