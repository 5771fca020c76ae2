package dev.gatun.model.transformer;

import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import dev.gatun.model.nn.Mlp.MlpBuffers;
import dev.gatun.model.nn.MultiHeadAttention.AttentionBuffers;
import dev.gatun.model.nn.MultiHeadAttention.CrossBuffers;

/**
 * The buffers that B sequences of T tokens pass through, as views of a session's workspace. Made once for each (B, T), so that a
 * decoding step makes no object.
 *
 * @param x residual stream [B, T, D]
 * @param tokens x as one slice [B, D] for each t
 * @param normed what a pre-norm sublayer reads [B, T, D]
 * @param sublayer what a sublayer writes [B, T, D]
 * @param mlp hidden rows of the feed-forward network [B, T, dFf]
 * @param selfAttn q, k, v and context
 * @param crossAttn q and context of cross-attention, in the same memory
 */
record Activations(
        Tensor x,
        Tensor[] tokens,
        Tensor normed,
        Tensor sublayer,
        MlpBuffers mlp,
        AttentionBuffers selfAttn,
        CrossBuffers crossAttn) {
    /**
     * Room for {@code maxTokens}.
     *
     * @param dAttn width of queries, of keys and of values: heads times their size
     */
    static Workspace.Layout layout(int maxTokens, int dModel, int dAttn, int dFf) {
        return new Workspace.Layout()
                .f32("x", maxTokens, dModel)
                .f32("normed", maxTokens, dModel)
                .f32("sublayer", maxTokens, dModel)
                .f32("hidden", maxTokens, dFf)
                .f32("q", maxTokens, dAttn)
                .f32("k", maxTokens, dAttn)
                .f32("v", maxTokens, dAttn)
                .f32("context", maxTokens, dAttn);
    }

    /** Views for B = batch, T = tokens of buffers that are at least as large. */
    static Activations of(Workspace workspace, int batch, int tokens, int dFf, int dAttn, int nHeads, int beams) {
        Tensor x = view(workspace, "x", batch, tokens);
        Tensor[] slices = new Tensor[tokens];
        for (int t = 0; t < tokens; t++) {
            slices[t] = x.select(1, t);
        }
        Tensor q = view(workspace, "q", batch, tokens, dAttn);
        Tensor context = view(workspace, "context", batch, tokens, dAttn);
        return new Activations(
                x,
                slices,
                view(workspace, "normed", batch, tokens),
                view(workspace, "sublayer", batch, tokens),
                MlpBuffers.of(view(workspace, "hidden", batch, tokens, dFf)),
                AttentionBuffers.of(
                        q,
                        view(workspace, "k", batch, tokens, dAttn),
                        view(workspace, "v", batch, tokens, dAttn),
                        context,
                        nHeads),
                CrossBuffers.of(q, context, beams, nHeads));
    }

    private static Tensor view(Workspace workspace, String name, int batch, int tokens) {
        return view(workspace, name, batch, tokens, workspace.get(name).dim(1));
    }

    private static Tensor view(Workspace workspace, String name, int batch, int tokens, int width) {
        Tensor buffer = workspace.get(name);
        return Tensor.of(buffer.segment(), buffer.dtype(), Shape.of(batch, tokens, width));
    }
}
