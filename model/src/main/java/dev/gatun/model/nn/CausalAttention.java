package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Ops;
import org.jspecify.annotations.Nullable;

/**
 * Causal self-attention of decoder-only models, with all that families vary: grouped queries (Ainslie et al. 2023), a fused
 * projection, norms on each head, rotary positions or none, a sliding window, soft-capped scores.
 *
 * @param heads their numbers and size
 * @param qProj [nHeads headDim, D]; or, if {@code kProj} is null, q, k and v in one, as {@code heads} says
 * @param kProj [nKvHeads headDim, D], or null
 * @param vProj [nKvHeads headDim, D], or null
 * @param oProj [D, nHeads headDim]
 * @param qNorm over each head's elements before positions, or null; only with separate projections
 * @param kNorm likewise
 * @param rotary which of the model's rotary positions, or {@link #NO_ROTARY}
 * @param window keys that a query sees, itself included; 0 for all
 * @param scale of the scores
 * @param softCap scores become softCap &middot; tanh(score / softCap); 0 for none
 */
public record CausalAttention(
        Heads heads,
        Linear qProj,
        @Nullable Linear kProj,
        @Nullable Linear vProj,
        Linear oProj,
        @Nullable Norm qNorm,
        @Nullable Norm kNorm,
        int rotary,
        int window,
        float scale,
        float softCap) {
    /** A {@link #rotary} of layers without rotary positions. */
    public static final int NO_ROTARY = -1;

    /**
     * Numbers of heads, and where they stand in a projection's output.
     *
     * @param nHeads query heads
     * @param nKvHeads key and value heads; divides nHeads
     * @param headDim elements of a head
     * @param layout of q, k and v
     */
    public record Heads(int nHeads, int nKvHeads, int headDim, Layout layout) {
        /** Where q, k and v come from. */
        public enum Layout {
            /** Three projections. */
            SEPARATE,
            /** One projection: all heads of q, then all of k, then all of v. */
            FUSED,
            /** One projection: q, k and v of head 0, then those of head 1, ... (GPT-NeoX). */
            FUSED_BY_HEAD
        }

        /**
         * Checks that they fit.
         *
         * @throws IllegalArgumentException if nKvHeads does not divide nHeads
         */
        public Heads {
            if (nHeads % nKvHeads != 0 || layout == Layout.FUSED_BY_HEAD && nHeads != nKvHeads) {
                throw new IllegalArgumentException(
                        nHeads + " heads are not a multiple of " + nKvHeads + " key and value heads (" + layout + ")");
            }
        }

        /** Floats of a row of q, k and v. */
        public int width() {
            return (nHeads + 2 * nKvHeads) * headDim;
        }
    }

    /** The parts that only a step knows: its rotary positions, its masks, its cache. */
    public interface Step {
        /** Cosines [B, T, pairs] of the new tokens. */
        Tensor cos(int rotary);

        /** Sines [B, T, pairs] of the new tokens. */
        Tensor sin(int rotary);

        /** Whether pairs are (2i, 2i + 1). */
        boolean interleaved(int rotary);

        /** Which keys a query sees. */
        AttentionMask mask(int window);
    }

    /**
     * Attention of new tokens to themselves and to what is in the cache, which they join.
     *
     * @param x [B, T, D]
     * @param layer the cache's layer
     * @param residual [B, T, D] to add the result to; or null
     * @param out [B, T, D]; may be the residual
     */
    public void forward(
            Ops ops,
            Tensor x,
            Step step,
            PagedKvCache cache,
            int layer,
            Buffers a,
            @Nullable Tensor residual,
            Tensor out) {
        // 1. Project.
        qProj.forward(ops, x, a.qOut()); //                          [B, T, H dK], or with k and v
        if (kProj != null && vProj != null) {
            kProj.forward(ops, x, a.kOut()); //                      [B, T, KV dK]
            vProj.forward(ops, x, a.vOut()); //                      [B, T, KV dK]
        }
        // 2. Split heads: views. Norms run over each head.
        if (qNorm != null && kNorm != null) {
            qNorm.forward(ops, a.qByHead(), a.qByHead()); //         [B T H, dK]
            kNorm.forward(ops, a.kByHead(), a.kByHead()); //         [B T KV, dK]
        }
        // 3. Positions.
        if (rotary != NO_ROTARY) {
            boolean interleaved = step.interleaved(rotary);
            ops.rope(a.q(), step.cos(rotary), step.sin(rotary), interleaved, a.q()); // [B, H, T, dK]
            ops.rope(a.k(), step.cos(rotary), step.sin(rotary), interleaved, a.k()); // [B, KV, T, dK]
        }
        // 4. Cache.
        cache.append(layer, a.k(), a.v());
        // 5. softmax(Q K^T scale) V of each head.
        ops.attention(
                a.q(),
                cache.keys(layer),
                cache.values(layer),
                cache.pageTables(layer),
                step.mask(window),
                scale,
                softCap,
                a.contextHeads()); //                                [B, H, T, dK]
        // 6. Concatenate heads, which is a view, and project.
        oProj.forward(ops, a.context(), residual, out); //           [B, T, D]
    }

    /**
     * Buffers for B sequences of T tokens and their views.
     *
     * @param qOut what the q projection writes
     * @param kOut what the k projection writes
     * @param vOut what the v projection writes
     * @param qByHead one row a head, where projections are separate
     * @param kByHead likewise
     * @param q [B, H, T, dK]
     * @param k [B, KV, T, dK]
     * @param v [B, KV, T, dK]
     * @param context [B, T, H dK]
     * @param contextHeads the same as [B, H, T, dK]
     */
    public record Buffers(
            Tensor qOut,
            Tensor kOut,
            Tensor vOut,
            Tensor qByHead,
            Tensor kByHead,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor context,
            Tensor contextHeads) {
        /**
         * Views of memory for B = batch, T = tokens.
         *
         * @param qkv room for B T {@link Heads#width} floats
         * @param context room for B T nHeads headDim floats
         */
        public static Buffers of(Heads heads, int batch, int tokens, Tensor qkv, Tensor context) {
            int d = heads.headDim;
            int qSize = heads.nHeads * d;
            int kvSize = heads.nKvHeads * d;
            int rows = batch * tokens;
            Tensor c = view(context, 0, batch, tokens, qSize);
            if (heads.layout == Heads.Layout.SEPARATE) {
                Tensor q = view(qkv, 0, batch, tokens, qSize);
                Tensor k = view(qkv, (long) rows * qSize, batch, tokens, kvSize);
                Tensor v = view(qkv, (long) rows * (qSize + kvSize), batch, tokens, kvSize);
                return new Buffers(
                        q,
                        k,
                        v,
                        q.reshape(rows * heads.nHeads, d),
                        k.reshape(rows * heads.nKvHeads, d),
                        q.splitHeads(heads.nHeads),
                        k.splitHeads(heads.nKvHeads),
                        v.splitHeads(heads.nKvHeads),
                        c,
                        c.splitHeads(heads.nHeads));
            }
            Tensor all = view(qkv, 0, batch, tokens, heads.width());
            Tensor q = all.slice(2, 0, qSize).splitHeads(heads.nHeads);
            Tensor k = all.slice(2, qSize, qSize + kvSize).splitHeads(heads.nKvHeads);
            Tensor v = all.slice(2, qSize + kvSize, heads.width()).splitHeads(heads.nKvHeads);
            if (heads.layout == Heads.Layout.FUSED_BY_HEAD) {
                Tensor byHead = all.reshape(batch, tokens, heads.nHeads, 3, d);
                q = byHead.select(3, 0).transpose(1, 2);
                k = byHead.select(3, 1).transpose(1, 2);
                v = byHead.select(3, 2).transpose(1, 2);
            }
            return new Buffers(all, all, all, all, all, q, k, v, c, c.splitHeads(heads.nHeads));
        }

        private static Tensor view(Tensor room, long from, int batch, int tokens, int width) {
            int first = Math.toIntExact(from);
            Tensor floats = room.reshape(Math.toIntExact(room.elements()));
            return floats.slice(0, first, first + batch * tokens * width).reshape(batch, tokens, width);
        }
    }
}
