package dev.gatun.ops.internal;

import dev.gatun.ops.machine.FewQueries;
import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.QueryColumns;
import dev.gatun.ops.machine.ScoreSoftmax;

/** What machine code does in a tile of attention beside its products. */
record TileCode(ScoreSoftmax softmax, QueryColumns columns, FewQueries few) implements AutoCloseable {
    static TileCode open(MachineHost host) {
        int rowBytes = (int) TileShape.WIDTH_BYTES;
        return new TileCode(
                ScoreSoftmax.open(host, MachineRows.EXP_OF_SCORE, rowBytes),
                QueryColumns.open(host, rowBytes),
                FewQueries.open(host, MachineRows.EXP_OF_SCORE));
    }

    @Override
    public void close() {
        softmax.close();
        columns.close();
        few.close();
    }
}
