package dev.gatun.model.decoder;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import dev.gatun.model.nn.CausalAttention;
import dev.gatun.model.nn.CausalAttention.Heads;
import dev.gatun.model.nn.Mlp.MlpBuffers;
import dev.gatun.ops.AttentionMask;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The buffers that B sequences of T new tokens pass through, as views of a session's workspace. Made once for each (B, T), so that
 * a decoding step makes no object.
 */
final class DecoderStep implements CausalAttention.Step {
    private final int batch;
    private final int tokens;
    private final Tensor x;
    private final Tensor normed;
    private final Tensor sublayer;
    private final CausalAttention.Buffers attention;
    private final MlpBuffers mlp;
    private final Tensor[] cos;
    private final Tensor[] sin;
    private final boolean[] interleaved;
    private final AttentionMask[] masks;
    private final Tensor[] rows;
    private @Nullable Tensor logits;

    static Workspace.Layout layout(Decoder model, int maxRows) {
        int d = model.config().dModel();
        Heads heads = model.heads();
        int hidden = model.layers().stream()
                .mapToInt(layer -> layer.mlp().hiddenSize())
                .max()
                .orElse(1);
        var layout = new Workspace.Layout()
                .f32("x", maxRows, d)
                .f32("normed", maxRows, d)
                .f32("sublayer", maxRows, d)
                .f32("qkv", maxRows, heads.width())
                .f32("context", maxRows, heads.nHeads() * heads.headDim())
                .f32("hidden", maxRows, hidden);
        for (int i = 0; i < model.rotary().size(); i++) {
            int pairs = model.rotary().get(i).pairs();
            layout.f32("cos" + i, maxRows, pairs).f32("sin" + i, maxRows, pairs);
        }
        return layout;
    }

    DecoderStep(Decoder model, Workspace workspace, int batch, int tokens, AttentionMask[] masks) {
        this.batch = batch;
        this.tokens = tokens;
        this.masks = masks;
        x = view(workspace, "x", batch, tokens);
        normed = view(workspace, "normed", batch, tokens);
        sublayer = view(workspace, "sublayer", batch, tokens);
        attention = CausalAttention.Buffers.of(
                model.heads(), batch, tokens, workspace.get("qkv"), workspace.get("context"));
        mlp = MlpBuffers.of(view(workspace, "hidden", batch, tokens));
        int n = model.rotary().size();
        cos = new Tensor[n];
        sin = new Tensor[n];
        interleaved = new boolean[n];
        for (int i = 0; i < n; i++) {
            cos[i] = view(workspace, "cos" + i, batch, tokens);
            sin[i] = view(workspace, "sin" + i, batch, tokens);
            interleaved[i] = model.rotary().get(i).interleaved();
        }
        List<Tensor> each = new ArrayList<>();
        Tensor flat = x.reshape(batch * tokens, x.dim(2));
        for (int i = 0; i < batch * tokens; i++) {
            each.add(flat.slice(0, i, i + 1));
        }
        rows = each.toArray(Tensor[]::new);
    }

    private static Tensor view(Workspace workspace, String name, int batch, int tokens) {
        Tensor buffer = workspace.get(name);
        return Tensor.of(buffer.segment(), DType.F32, Shape.of(batch, tokens, buffer.dim(1)));
    }

    int batch() {
        return batch;
    }

    int tokens() {
        return tokens;
    }

    /** Residual stream [B, T, D]. */
    Tensor x() {
        return x;
    }

    /** One row [1, D] of x, counted over the batch. */
    Tensor row(int i) {
        return rows[i];
    }

    /** What a sublayer reads [B, T, D]. */
    Tensor normed() {
        return normed;
    }

    /** What a sublayer writes [B, T, D]. */
    Tensor sublayer() {
        return sublayer;
    }

    /** The first B T rows of {@code all} [rows, V], as [B, T, V]. */
    Tensor logits(Tensor all) {
        Tensor view = logits;
        if (view == null) {
            view = Tensor.of(all.segment(), DType.F32, Shape.of(batch, tokens, all.dim(1)));
            logits = view;
        }
        return view;
    }

    CausalAttention.Buffers attention() {
        return attention;
    }

    MlpBuffers mlp() {
        return mlp;
    }

    @Override
    public Tensor cos(int rotary) {
        return cos[rotary];
    }

    @Override
    public Tensor sin(int rotary) {
        return sin[rotary];
    }

    @Override
    public boolean interleaved(int rotary) {
        return interleaved[rotary];
    }

    @Override
    public AttentionMask mask(int window) {
        return masks[window == 0 ? 0 : 1];
    }
}
