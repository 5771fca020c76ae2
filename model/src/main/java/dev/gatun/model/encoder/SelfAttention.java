package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * Self-attention of packed sequences, each over its own tokens (Vaswani et al. 2017, section 3.2.2).
 *
 * @param qkvProj the projections to queries, keys and values one above the other [3 D, D]
 * @param oProj [D, D]
 * @param scale of the scores, 1 / &radic;dK
 * @param mask the keys that a query sees: all, or those near its own position
 * @param rope index of the rotary table that turns queries and keys, or -1 for none
 */
record SelfAttention(Linear qkvProj, Linear oProj, float scale, AttentionMask mask, int rope) {
    /** Attention without windows or rotary positions, over all of a sequence. */
    static SelfAttention full(Linear qkvProj, Linear oProj, int headDim) {
        float scale = (float) (1 / Math.sqrt(headDim));
        return new SelfAttention(qkvProj, oProj, scale, AttentionMask.full(), -1);
    }

    /**
     * Adds the sublayer's output to x of the part.
     *
     * @param in [n, D]; may be x
     * @param bias added to the scores of the heads, or null
     */
    void addTo(Ops ops, Tensor in, PackedViews.Part p, @Nullable RelativeBias bias) {
        // 1. Project.
        qkvProj.forward(ops, in, p.qkv()); //                                             [n, 3 D]
        // 2. Split heads: [n, 3 D] seen as three of [n, H, dK]. 3. Positions, where they are rotary.
        if (rope >= 0) {
            RotaryRows rows = p.rotary()[rope];
            ops.rope(p.qk(), rows.cos(), rows.sin(), false, p.qk()); //                   [1, 2 H, n, dK]
        }
        // 4. Cache: none, all keys are at hand. 5. softmax(Q K^T / sqrt(dK)) V, each sequence on its own.
        AttentionMask seen = bias == null ? mask : bias.mask();
        int sequences = p.starts().length - 1;
        ops.attentionPacked(p.q(), p.k(), p.v(), p.starts(), sequences, seen, scale, 0f, p.context()); // [n, H, dK]
        // 6. Concatenated heads are what context [n, D] already is: project, and add to x.
        ops.linearAdd(p.rows(), oProj.weight(), oProj.bias(), p.x(), p.x()); //           [n, D]
    }
}
