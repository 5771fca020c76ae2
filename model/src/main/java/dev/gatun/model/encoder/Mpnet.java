package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.weights.JsonConfig;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Loads model type {@code mpnet} (Song et al. 2020): like BERT without token types, one bias of relative positions for the scores of
 * all layers, positions that start after the padding's id.
 */
final class Mpnet {
    private static final int PAD_ID = 1; // in transformers' code, whatever config.json says

    private final Parts parts;
    private final EncoderConfig config;

    private Mpnet(Parts parts, EncoderConfig config) {
        this.parts = parts;
        this.config = config;
    }

    static Encoder load(Parts parts, JsonConfig json, Task task) {
        EncoderConfig config = Bert.config(json, PAD_ID + 1);
        int buckets = json.optionalInt("relative_attention_num_buckets", 32, 4, 1 << 16);
        return new Mpnet(parts, config).encoder(buckets, Parts.labels(json), task);
    }

    private Encoder encoder(int buckets, List<String> labels, Task task) {
        int d = config.dModel();
        String body = parts.prefix("mpnet", "embeddings.word_embeddings.weight");
        Tensor words = parts.matrix(body + "embeddings.word_embeddings.weight", config.vocab(), d);
        int positions = config.nPositions() + PAD_ID + 1;
        Tensor bias = parts.matrix(body + "encoder.relative_attention_bias.weight", buckets, config.nHeads());
        List<EncoderBlock> layers = IntStream.range(0, config.nLayers())
                .mapToObj(i -> layer(body + "encoder.layer." + i))
                .toList();
        Head head = Roberta.head(parts, config, words, labels.size(), task);
        return new Encoder(
                config,
                new TokenEmbeddings(
                        words,
                        parts.matrix(body + "embeddings.position_embeddings.weight", positions, d),
                        null,
                        parts.norm(body + "embeddings.LayerNorm", d, config.epsilon()),
                        null,
                        PAD_ID),
                null,
                layers,
                null,
                RelativeBias.of(bias, config.nPositions(), parts.arena()),
                List.of(),
                Bert.pooler(parts, body, d),
                head,
                head == null || task == Task.MASKED_LM ? List.of() : labels,
                null,
                parts.loader().backend());
    }

    private EncoderBlock layer(String name) {
        int d = config.dModel();
        return new EncoderBlock(
                SelfAttention.full(
                        parts.stacked(d, d, name + ".attention.attn.", "q", "k", "v"),
                        parts.linear(name + ".attention.attn.o", d, d),
                        config.headDim()),
                parts.norm(name + ".attention.LayerNorm", d, config.epsilon()),
                Parts.network(
                        parts.linear(name + ".intermediate.dense", config.dFf(), d),
                        config.activation(),
                        parts.linear(name + ".output.dense", d, config.dFf())),
                parts.norm(name + ".output.LayerNorm", d, config.epsilon()),
                false);
    }
}
