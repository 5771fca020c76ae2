package dev.gatun.ops.internal;

import dev.gatun.memory.QuantizedBlock;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** W as a checkpoint has it, of 16-bit floats or in blocks: each product widens what it reads. */
public final class WidenedWeight implements PackedWeight {
    private final @Nullable Tensor floats;
    private final @Nullable QuantizedMatrix blocks;
    private final int n;
    private final int k;

    /** One of the two is null. */
    WidenedWeight(@Nullable Tensor floats, @Nullable QuantizedMatrix blocks) {
        this.floats = floats;
        this.blocks = blocks;
        this.n = blocks != null ? blocks.n() : floats == null ? 0 : floats.dim(0);
        this.k = blocks != null ? blocks.k() : floats == null ? 0 : floats.dim(1);
    }

    /** Row {@code row} as k adjacent floats, from byte {@code at} of {@code out}. */
    void widenRow(int row, QuantizedBlock block, MemorySegment out, long at) {
        if (blocks != null) {
            blocks.widenRow(row, block, out, at);
        } else if (floats != null) {
            floats.widenRow(row, out, at);
        }
    }

    @Override
    public int n() {
        return n;
    }

    @Override
    public int k() {
        return k;
    }

    @Override
    public long byteSize() {
        return blocks != null ? blocks.segment().byteSize() : 2L * n * k;
    }
}
