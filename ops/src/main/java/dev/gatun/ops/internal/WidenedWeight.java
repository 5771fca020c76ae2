package dev.gatun.ops.internal;

import dev.gatun.memory.QuantizedBlock;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.PackedWeight;
import java.lang.foreign.MemorySegment;

/** W as a checkpoint has it: each product widens what it reads. */
sealed interface WidenedWeight extends PackedWeight {
    /**
     * Row {@code row} as k adjacent floats, from byte {@code at} of {@code out}.
     *
     * @param block for who needs one
     */
    void widenRow(int row, QuantizedBlock block, MemorySegment out, long at);

    /** Of 16-bit floats [n, k], elements of a row adjacent. */
    record Floats(Tensor weight) implements WidenedWeight {
        @Override
        public void widenRow(int row, QuantizedBlock block, MemorySegment out, long at) {
            weight.widenRow(row, out, at);
        }

        @Override
        public int n() {
            return weight.dim(0);
        }

        @Override
        public int k() {
            return weight.dim(1);
        }

        @Override
        public long byteSize() {
            return 2L * n() * k();
        }
    }

    /** In blocks. */
    record Blocks(QuantizedMatrix weight) implements WidenedWeight {
        @Override
        public void widenRow(int row, QuantizedBlock block, MemorySegment out, long at) {
            weight.widenRow(row, block, out, at);
        }

        @Override
        public int n() {
            return weight.n();
        }

        @Override
        public int k() {
            return weight.k();
        }

        @Override
        public long byteSize() {
            return weight.segment().byteSize();
        }
    }
}
