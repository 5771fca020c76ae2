package dev.gatun.model.encoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import java.util.Arrays;

/**
 * The buffers that a packed batch passes through, as views of a session's workspace: the tokens of all sequences stand one after
 * the other in matrices [N, D], with no padding between them. Made once for each list of lengths, so that a session that sees the
 * same lengths again makes no object.
 *
 * @param starts of the sequences, and N at the end
 * @param x residual stream [N, D]
 * @param normed what a pre-norm sublayer reads [N, D]; the same bytes as context, which is written later
 * @param q queries [N, D]
 * @param k keys [N, D]
 * @param v values [N, D]
 * @param context of attention [N, D]
 * @param qAll q by head [1, H, N, dK]
 * @param kAll k by head [1, H, N, dK]
 * @param qHeads q of each sequence by head [1, H, T, dK]
 * @param kHeads k of each sequence
 * @param vHeads v of each sequence
 * @param contextHeads context of each sequence
 * @param blocks rows of the batch that go through the feed-forward network together
 */
record PackedViews(
        int[] starts,
        Tensor x,
        Tensor normed,
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor context,
        Tensor qAll,
        Tensor kAll,
        Tensor[] qHeads,
        Tensor[] kHeads,
        Tensor[] vHeads,
        Tensor[] contextHeads,
        Block[] blocks) {
    /**
     * Rows that go through a feed-forward network at once: its inner rows, the widest there are, then stay in L2 from one product
     * to the next, and take no memory that grows with the batch.
     */
    static final int BLOCK_ROWS = 256;

    /** Some rows of the batch: of x and of normed; and inner rows of a network. */
    record Block(Tensor x, Tensor normed, Tensor hidden) {}

    static Workspace.Layout layout(int maxTokens, int dModel, int dHidden) {
        return new Workspace.Layout()
                .f32("x", maxTokens, dModel)
                .f32("q", maxTokens, dModel)
                .f32("k", maxTokens, dModel)
                .f32("v", maxTokens, dModel)
                .f32("context", maxTokens, dModel)
                .f32("hidden", Math.min(maxTokens, BLOCK_ROWS), dHidden);
    }

    /** Views for sequences that start at {@code starts}, the end of the last one included. */
    static PackedViews of(Workspace workspace, int[] starts, int nHeads) {
        int sequences = starts.length - 1;
        int tokens = starts[sequences];
        Tensor x = rows(workspace, "x", tokens);
        Tensor q = rows(workspace, "q", tokens);
        Tensor k = rows(workspace, "k", tokens);
        Tensor v = rows(workspace, "v", tokens);
        Tensor context = rows(workspace, "context", tokens);
        Tensor hidden = workspace.get("hidden");
        Block[] blocks = new Block[(tokens + BLOCK_ROWS - 1) / BLOCK_ROWS];
        for (int i = 0; i < blocks.length; i++) {
            int from = i * BLOCK_ROWS;
            int to = Math.min(tokens, from + BLOCK_ROWS);
            blocks[i] = new Block(x.slice(0, from, to), context.slice(0, from, to), hidden.slice(0, 0, to - from));
        }
        return new PackedViews(
                starts,
                x,
                context,
                q,
                k,
                v,
                context,
                heads(q, 0, tokens, nHeads),
                heads(k, 0, tokens, nHeads),
                heads(q, starts, nHeads),
                heads(k, starts, nHeads),
                heads(v, starts, nHeads),
                heads(context, starts, nHeads),
                blocks);
    }

    private static Tensor rows(Workspace workspace, String name, int tokens) {
        Tensor buffer = workspace.get(name);
        return Tensor.of(buffer.segment(), DType.F32, Shape.of(tokens, buffer.dim(1)));
    }

    private static Tensor[] heads(Tensor packed, int[] starts, int nHeads) {
        Tensor[] heads = new Tensor[starts.length - 1];
        Arrays.setAll(heads, b -> heads(packed, starts[b], starts[b + 1], nHeads));
        return heads;
    }

    private static Tensor heads(Tensor packed, int from, int to, int nHeads) {
        return packed.slice(0, from, to).reshape(1, to - from, packed.dim(1)).splitHeads(nHeads);
    }

    /** Sequences in the batch. */
    int sequences() {
        return starts.length - 1;
    }

    /** Tokens of a sequence. */
    int length(int sequence) {
        return starts[sequence + 1] - starts[sequence];
    }
}
