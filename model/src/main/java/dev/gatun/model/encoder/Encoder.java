package dev.gatun.model.encoder;

import dev.gatun.memory.MemoryBudget.Reservation;
import dev.gatun.memory.MemoryPlan;
import dev.gatun.memory.MemoryPlan.Lifetime;
import dev.gatun.model.nn.LayerNorm;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.Backend;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An encoder's weights, immutable, shared by any number of sessions and threads (Vaswani et al. 2017, section 3.1; Devlin et al.
 * 2019). Whoever opened the arena of its tensors closes it, after the sessions.
 *
 * @param config sizes
 * @param tokens embeds texts; null in a model of images
 * @param patches embeds images; null in a model of texts
 * @param layers the stack; an ALBERT has the same one several times
 * @param finalNorm after the last layer, or null
 * @param bias added to all scores, or null
 * @param rotary tables that layers turn queries and keys by
 * @param pooler dense layer, with tanh, on the first token [D, D]; or null
 * @param head what it was trained for, or null
 * @param labels names of what the head scores; empty for a vocabulary
 * @param sentence what makes a vector of a text, or null
 * @param backend that packed the weights
 */
record Encoder(
        EncoderConfig config,
        @Nullable TokenEmbeddings tokens,
        @Nullable PatchEmbeddings patches,
        List<EncoderBlock> layers,
        @Nullable LayerNorm finalNorm,
        @Nullable RelativeBias bias,
        List<RotaryRows> rotary,
        @Nullable Linear pooler,
        @Nullable Head head,
        List<String> labels,
        @Nullable SentenceModules sentence,
        Backend backend) {
    Encoder {
        layers = List.copyOf(layers);
        rotary = List.copyOf(rotary);
        labels = List.copyOf(labels);
    }

    /** This encoder with what makes a vector of a text. */
    Encoder with(SentenceModules modules) {
        return new Encoder(
                config, tokens, patches, layers, finalNorm, bias, rotary, pooler, head, labels, modules, backend);
    }

    /** Takes a session's memory from the budget. */
    Reservation reserve(int maxTokens) {
        return backend.budget()
                .reserve(
                        "a session of " + maxTokens + " tokens at once",
                        () -> plan(maxTokens),
                        () -> wouldFit(maxTokens));
    }

    /** Fewer tokens that what is left of the budget is enough for. */
    private List<String> wouldFit(int maxTokens) {
        int fits = 0;
        for (int step = Integer.highestOneBit(maxTokens); step > 0; step >>= 1) {
            int tokens = fits + step;
            if (tokens < maxTokens
                    && plan(tokens).totalBytes() <= backend.budget().free()) {
                fits = tokens;
            }
        }
        return fits == 0 ? List.of() : List.of(fits + " tokens at once");
    }

    /** What a session for {@code maxTokens} tokens allocates, to the byte. */
    MemoryPlan plan(int maxTokens) {
        return MemoryPlan.empty()
                .plus(
                        "activations",
                        Lifetime.SESSION,
                        EncoderSession.layout(this, maxTokens).byteSize())
                .plus("kernel scratch", Lifetime.SESSION, backend.opsByteSize());
    }
}
