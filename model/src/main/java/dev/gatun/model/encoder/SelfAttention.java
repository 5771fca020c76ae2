package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * Self-attention of packed sequences, each over its own tokens (Vaswani et al. 2017, section 3.2.2).
 *
 * @param qProj [D, D]
 * @param kProj [D, D]
 * @param vProj [D, D]
 * @param oProj [D, D]
 * @param scale of the scores, 1 / &radic;dK
 * @param mask the keys that a query sees: all, or those near its own position
 * @param rope index of the rotary table that turns queries and keys, or -1 for none
 */
record SelfAttention(
        Linear qProj, Linear kProj, Linear vProj, Linear oProj, float scale, AttentionMask mask, int rope) {
    /** Attention without windows or rotary positions, over all of a sequence. */
    static SelfAttention full(Linear qProj, Linear kProj, Linear vProj, Linear oProj, int headDim) {
        float scale = (float) (1 / Math.sqrt(headDim));
        return new SelfAttention(qProj, kProj, vProj, oProj, scale, AttentionMask.full(), -1);
    }

    /**
     * Adds the sublayer's output to x.
     *
     * @param in [N, D]; may be x
     * @param bias added to the scores of the heads, or null
     */
    void addTo(Ops ops, Tensor in, PackedViews p, @Nullable RelativeBias bias, RotaryRows[] rotary) {
        // 1. Project.
        qProj.forward(ops, in, p.q()); //                                                [N, D]
        kProj.forward(ops, in, p.k()); //                                                [N, D]
        vProj.forward(ops, in, p.v()); //                                                [N, D]
        // 2. Split heads: [N, D] seen as [1, H, N, dK]. 3. Positions, where they are rotary.
        if (rope >= 0) {
            RotaryRows rows = rotary[rope];
            ops.rope(p.qAll(), rows.cos(), rows.sin(), false, p.qAll()); //              [1, H, N, dK]
            ops.rope(p.kAll(), rows.cos(), rows.sin(), false, p.kAll()); //              [1, H, N, dK]
        }
        // 4. Cache: none, all keys are at hand. 5. softmax(Q K^T / sqrt(dK)) V, each sequence on its own.
        attend(ops, p, bias); //                                                         [N, D]
        // 6. Concatenated heads are what context [N, D] already is: project, and add to x.
        ops.linearAdd(p.context(), oProj.weight(), oProj.bias(), p.x(), p.x()); //       [N, D]
    }

    /** One call a sequence: no key of another one is looked at, and nothing is padded. */
    private void attend(Ops ops, PackedViews p, @Nullable RelativeBias bias) {
        for (int b = 0; b < p.sequences(); b++) {
            AttentionMask seen = bias == null ? mask : bias.of(p.length(b));
            ops.attention(p.qHeads()[b], p.kHeads()[b], p.vHeads()[b], seen, scale, 0f, p.contextHeads()[b]);
        }
    }
}
