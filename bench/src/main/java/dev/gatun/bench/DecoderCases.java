package dev.gatun.bench;

import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.GgufFile;
import dev.gatun.model.weights.GgufModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What {@code gatun bench decoder} measures of a GGUF file. */
final class DecoderCases {
    private static final int DECODE = 128;
    private static final int[] PREFILL = {128, 512};

    private final Path path;
    private final String title;
    private double layerWeights; // numbers in matrices of the layers
    private double headWeights; // numbers in the projection to the vocabulary
    private double bytes; // of all that a token reads
    private final double attention; // operations for each pair of a query and a key

    private DecoderCases(Path path, GgufFile file) {
        this.path = path;
        this.title = String.valueOf(path.getFileName()).replaceFirst("\\.gguf$", "");
        String architecture = file.requireString("general.architecture");
        boolean tied = !file.tensors().containsKey("output.weight")
                && !file.quantized().containsKey("output.weight");
        for (Map.Entry<String, Tensor> entry : file.tensors().entrySet()) {
            Tensor tensor = entry.getValue();
            add(entry.getKey(), tied, tensor.rank() < 2 ? 0 : (double) tensor.elements(), (double) tensor.byteSize());
        }
        for (Map.Entry<String, QuantizedMatrix> entry : file.quantized().entrySet()) {
            QuantizedMatrix matrix = entry.getValue();
            add(entry.getKey(), tied, (double) matrix.n() * matrix.k(), (double)
                    matrix.segment().byteSize());
        }
        long d = file.optionalInt(architecture + ".embedding_length", 0);
        long heads = file.optionalInt(architecture + ".attention.head_count", 1);
        long headDim = file.optionalInt(architecture + ".attention.key_length", d / Math.max(1, heads));
        attention = 4.0 * heads * headDim * file.optionalInt(architecture + ".block_count", 0);
    }

    private void add(String name, boolean tied, double weights, double byteSize) {
        boolean table = name.startsWith("token_embd.") || name.startsWith("position_embd.");
        boolean head = name.startsWith(tied ? "token_embd." : "output.");
        if (head) {
            headWeights += weights;
        } else if (!table) {
            layerWeights += weights;
        }
        if (head || !table) { // of a table that is only looked up in, a token reads one row
            bytes += byteSize;
        }
    }

    /** The cases of a file, with so many threads. */
    static List<Case> of(Path path, int threads) throws IOException {
        try (GgufModel model = GgufModel.open(path)) {
            return new DecoderCases(path, model.file()).cases(threads);
        }
    }

    private List<Case> cases(int threads) {
        List<Case> cases = new ArrayList<>();
        cases.add(decode(threads));
        for (int tokens : PREFILL) {
            cases.add(prefill(tokens, threads));
        }
        return cases;
    }

    private Case decode(int threads) {
        double pairs = DECODE * (Op.Decoder.PROMPT + (DECODE + 1) / 2.0);
        double flop = 2 * DECODE * (layerWeights + headWeights) + attention * pairs;
        return named(
                "decode " + DECODE,
                threads,
                new Op.Decoder(Op.Phase.DECODE, DECODE, threads, flop, DECODE * bytes, path));
    }

    private Case prefill(int tokens, int threads) {
        double pairs = tokens * (tokens + 1.0) / 2;
        double flop = 2 * (tokens * layerWeights + headWeights) + attention * pairs;
        return named(
                "prefill " + tokens, threads, new Op.Decoder(Op.Phase.PREFILL, tokens, threads, flop, bytes, path));
    }

    private Case named(String what, int threads, Op op) {
        return new Case(Group.DECODER, title + threads(threads), what, op);
    }

    /** The first token of a fresh process. */
    static Case firstToken(Path path, int threads) {
        String title = String.valueOf(path.getFileName()).replaceFirst("\\.gguf$", "");
        return new Case(Group.FIRST_TOKEN, title, threads(threads).strip(), new Op.FirstToken(threads, path));
    }

    private static String threads(int threads) {
        return threads == 1 ? " 1 thread" : " " + threads + " threads";
    }
}
