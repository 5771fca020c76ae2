package dev.gatun.ops.internal;

import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.QueryColumns;
import dev.gatun.ops.machine.ScoreSoftmax;

/** What machine code does in a tile of attention beside its products. */
record TileCode(ScoreSoftmax softmax, QueryColumns columns) implements AutoCloseable {
    /** {@link Elementary#expOfScore}. */
    private static final ScoreSoftmax.Exp EXP = new ScoreSoftmax.Exp(
            Elementary.LOG2_E,
            Elementary.ROUND,
            -Elementary.LN2_HIGH,
            Elementary.S3,
            Elementary.S2,
            Elementary.S1,
            Elementary.S0,
            Elementary.EXP_MIN);

    static TileCode open(MachineHost host) {
        int rowBytes = (int) AttentionKernels.WIDTH_BYTES;
        return new TileCode(ScoreSoftmax.open(host, EXP, rowBytes), QueryColumns.open(host, rowBytes));
    }

    @Override
    public void close() {
        softmax.close();
        columns.close();
    }
}
