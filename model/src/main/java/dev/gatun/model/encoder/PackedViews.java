package dev.gatun.model.encoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The buffers that a packed batch passes through, as views of a session's workspace: the tokens of all sequences stand one after
 * the other in a matrix [N, D], with no padding between them. A layer takes that matrix by parts, which stay in the cache from one
 * operator to the next and take no memory that grows with the batch. Made once for each list of lengths, so that a session that
 * sees the same lengths again makes no object.
 *
 * @param starts of the sequences, and N at the end
 * @param x residual stream [N, D]
 * @param parts whole sequences, which go through attention together
 * @param blocks rows that go through the feed-forward network together, wherever sequences begin
 */
record PackedViews(int[] starts, Tensor x, Part[] parts, Block[] blocks) {
    /** Rows of a block for each thread: its inner rows, the widest there are, then stay in L2 from one product to the next. */
    private static final int ROWS_A_THREAD = 128;

    /**
     * Sequences that attend to themselves in one call.
     *
     * @param starts of the sequences among the rows of the part, and n at the end
     * @param x their rows of the residual stream [n, D]
     * @param rows what a pre-norm sublayer reads, later the context of attention [n, D]
     * @param qkv queries, keys and values side by side [n, 3 D]
     * @param qk queries and keys by head [1, 2 H, n, dK]
     * @param q queries [n, H, dK]
     * @param k keys [n, H, dK]
     * @param v values [n, H, dK]
     * @param context of attention [n, H, dK], in {@code rows}
     * @param rotary angles of their tokens
     */
    record Part(
            int[] starts,
            Tensor x,
            Tensor rows,
            Tensor qkv,
            Tensor qk,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor context,
            RotaryRows[] rotary) {}

    /**
     * Rows of the batch.
     *
     * @param from the first one's index
     * @param x of the residual stream [n, D]
     * @param rows what a pre-norm sublayer reads [n, D]
     * @param hidden inner rows of a network [n, dFf]
     * @param sum embeddings of tokens [n, E]; x where they need no projection
     * @param term of that sum [n, E]
     */
    record Block(int from, Tensor x, Tensor rows, Tensor hidden, Tensor sum, Tensor term) {}

    static Workspace.Layout layout(Encoder model, int maxTokens) {
        int dModel = model.config().dModel();
        int blockRows = Math.min(maxTokens, blockRows(model));
        int partRows = Math.min(maxTokens, Math.max(blockRows, model.config().nPositions()));
        Workspace.Layout layout = new Workspace.Layout()
                .f32("x", maxTokens, dModel)
                .f32("sublayer", partRows, dModel)
                .f32("qkv", partRows, 3 * dModel)
                .f32("hidden", blockRows, model.config().dFf());
        TokenEmbeddings tokens = model.tokens();
        if (tokens != null && tokens.projection() != null) {
            layout.f32("sum", blockRows, tokens.width()).f32("term", blockRows, tokens.width());
        }
        return layout;
    }

    private static int blockRows(Encoder model) {
        return ROWS_A_THREAD * model.backend().threads();
    }

    /**
     * Views for sequences that start at {@code starts}, the end of the last one included.
     *
     * @param rotary angles of all tokens
     */
    static PackedViews of(Encoder model, Workspace workspace, int[] starts, RotaryRows[] rotary) {
        int tokens = starts[starts.length - 1];
        int blockRows = blockRows(model);
        Tensor x = rows(workspace, "x", tokens);
        List<Part> parts = new ArrayList<>();
        for (int from = 0; from < starts.length - 1; ) {
            int to = from + 1;
            while (to < starts.length - 1 && starts[to + 1] - starts[from] <= blockRows) {
                to++;
            }
            parts.add(part(
                    workspace,
                    x,
                    Arrays.copyOfRange(starts, from, to + 1),
                    model.config().nHeads(),
                    rotary));
            from = to;
        }
        Block[] blocks = new Block[(tokens + blockRows - 1) / blockRows];
        TokenEmbeddings embeddings = model.tokens();
        boolean projected = embeddings != null && embeddings.projection() != null;
        for (int i = 0; i < blocks.length; i++) {
            int from = i * blockRows;
            int n = Math.min(tokens - from, blockRows);
            Tensor own = x.slice(0, from, from + n);
            Tensor rows = rows(workspace, "sublayer", n);
            blocks[i] = new Block(
                    from,
                    own,
                    rows,
                    rows(workspace, "hidden", n),
                    projected ? rows(workspace, "sum", n) : own,
                    projected ? rows(workspace, "term", n) : rows);
        }
        return new PackedViews(starts, x, parts.toArray(Part[]::new), blocks);
    }

    private static Part part(Workspace workspace, Tensor x, int[] starts, int nHeads, RotaryRows[] rotary) {
        int first = starts[0];
        int n = starts[starts.length - 1] - first;
        int d = x.dim(1);
        Tensor rows = rows(workspace, "sublayer", n);
        Tensor qkv = rows(workspace, "qkv", n);
        Tensor heads = qkv.reshape(n, 3 * nHeads, d / nHeads);
        RotaryRows[] angles = new RotaryRows[rotary.length];
        Arrays.setAll(angles, i -> rotary[i].slice(first, first + n));
        return new Part(
                Arrays.stream(starts).map(start -> start - first).toArray(),
                x.slice(0, first, first + n),
                rows,
                qkv,
                qkv.slice(1, 0, 2 * d).reshape(1, n, 2 * d).splitHeads(2 * nHeads),
                heads.slice(1, 0, nHeads),
                heads.slice(1, nHeads, 2 * nHeads),
                heads.slice(1, 2 * nHeads, 3 * nHeads),
                rows.reshape(n, nHeads, d / nHeads),
                angles);
    }

    private static Tensor rows(Workspace workspace, String name, int n) {
        Tensor buffer = workspace.get(name);
        return Tensor.of(buffer.segment(), DType.F32, Shape.of(n, buffer.dim(1)));
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
