package dev.gatun.bench;

import dev.gatun.cli.ModelOption;
import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.TextEmbedder;
import dev.gatun.ops.Activation;
import dev.gatun.ops.AttentionMask;
import dev.gatun.ops.Backend;
import dev.gatun.ops.Ops;
import dev.gatun.ops.PackedWeight;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** A backend of Gatun, through the interface that models use. */
final class GatunLibrary implements Library {
    private final Backend backend;
    private final Backend.Options options;
    private final boolean hasCalls;
    private @Nullable TextEmbedder embedder;

    GatunLibrary(Backend.Options options) {
        this.options = options;
        hasCalls = options.kind() == Backend.Kind.OPENBLAS && options.blas() == null;
        backend = Backend.open(options);
    }

    @Override
    public String description() {
        Backend.BlasInfo blas = backend.blasInfo();
        return backend + (blas == null ? "" : "; " + blas.config().strip() + ", kernels for " + blas.coreName());
    }

    @Override
    public @Nullable Workload open(Op op) {
        if (op instanceof Op.Decoder decoder) {
            return DecoderWorkload.open(decoder, options);
        }
        if (op instanceof Op.Translate translate) {
            return Seq2SeqWorkload.open(translate, options);
        }
        Arena arena = Arena.ofShared(); // the backend's threads read and write
        boolean opened = false;
        try {
            Runnable call = switch (op) {
                case Op.Linear linear -> linear(linear, arena);
                case Op.Attention attention -> attention(attention, arena);
                case Op.Encode encode -> encode(encode);
                case Op.Rows rows -> rows(rows, arena);
                case Op.NativeCall nativeCall -> hasCalls ? NativeCalls.of(nativeCall.function(), arena) : null;
                case Op.Decoder _, Op.Translate _, Op.FirstToken _, Op.Recorded _, Op.Probe _ -> null;
            };
            opened = call != null;
            return call == null ? null : new ArenaWorkload(call, arena);
        } finally {
            if (!opened) {
                arena.close();
            }
        }
    }

    private record ArenaWorkload(Runnable call, Arena arena) implements Workload {
        @Override
        public void run() {
            call.run();
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    private Runnable linear(Op.Linear op, Arena arena) {
        Operands operands = new Operands();
        Ops ops = backend.newOps(arena);
        Tensor x = operands.tensor(arena, DType.F32, op.m(), op.k());
        Tensor out = Tensor.allocate(arena, DType.F32, Shape.of(op.m(), op.n()));
        Tensor first = operands.tensor(arena, op.weights(), op.n(), op.k());
        PackedWeight[] weights = new PackedWeight[op.copies()];
        for (int i = 0; i < weights.length; i++) {
            Tensor weight = first;
            if (i > 0 && backend.packedByteSize(first) == 0) { // else packing makes the copy
                weight = Tensor.allocate(arena, op.weights(), first.shape());
                weight.copyFrom(first);
            }
            weights[i] = backend.pack(weight, arena);
        }
        return new Runnable() {
            private int next;

            @Override
            public void run() {
                ops.linear(x, weights[next], null, out);
                next = next + 1 == weights.length ? 0 : next + 1;
            }
        };
    }

    private Runnable attention(Op.Attention op, Arena arena) {
        Operands operands = new Operands();
        Ops ops = backend.newOps(arena);
        // As projections leave them: heads side by side in a row.
        Tensor q = heads(operands.tensor(arena, DType.F32, 1, op.ctx(), op.heads() * op.dK()), op.heads());
        Tensor k = heads(operands.tensor(arena, DType.F32, 1, op.ctx(), op.kvHeads() * op.dK()), op.kvHeads());
        Tensor v = heads(operands.tensor(arena, DType.F32, 1, op.ctx(), op.kvHeads() * op.dK()), op.kvHeads());
        Tensor out = heads(Tensor.allocate(arena, DType.F32, Shape.of(1, op.ctx(), op.heads() * op.dK())), op.heads());
        AttentionMask mask = op.causal() ? AttentionMask.causal() : AttentionMask.full();
        float scale = (float) (1 / Math.sqrt(op.dK()));
        return () -> ops.attention(q, k, v, mask, scale, 0, out);
    }

    private static Tensor heads(Tensor x, int nHeads) {
        return x.splitHeads(nHeads);
    }

    private Runnable encode(Op.Encode op) {
        TextEmbedder model = embedder();
        int[][] ids = op.ids();
        return () -> model.embedTokens(ids);
    }

    /** The model, from its jar: loaded when it is first needed. */
    TextEmbedder embedder() {
        TextEmbedder model = embedder;
        if (model == null) {
            try {
                model = TextEmbedder.open(ModelOption.byDefault(), backend);
            } catch (IOException e) {
                throw new UncheckedIOException("MiniLM cannot be loaded: " + e.getMessage(), e);
            }
            embedder = model;
        }
        return model;
    }

    private Runnable rows(Op.Rows op, Arena arena) {
        Operands operands = new Operands();
        Ops ops = backend.newOps(arena);
        Tensor x = operands.tensor(arena, DType.F32, op.rows(), op.d());
        Tensor out = Tensor.allocate(arena, DType.F32, Shape.of(op.rows(), op.d()));
        Tensor weight = operands.tensor(arena, DType.F32, op.d());
        Tensor bias = operands.tensor(arena, DType.F32, op.d());
        return switch (op.function()) {
            case SOFTMAX -> () -> ops.softmax(x, out);
            case LAYER_NORM -> () -> ops.layerNorm(x, weight, bias, 1e-5f, out);
            case RMS_NORM -> () -> ops.rmsNorm(x, weight, 1e-5f, out);
            case GELU -> () -> ops.activate(Activation.GELU, x, out);
        };
    }

    @Override
    public void close() {
        if (embedder != null) {
            embedder.close();
        }
        backend.close();
    }
}
