package dev.gatun.model.nn;

import dev.gatun.memory.Tensor;
import dev.gatun.ops.Ops;
import java.util.List;

/**
 * A convolution over time of width 3, as products. Rows that stand one after another in memory are one longer row to a product, as
 * many as the stride goes on by: a convolution of stride 2 is a product of two rows side by side and one of the third.
 *
 * @param groups weight [N, rows &middot; C] of each product; the first has the bias
 * @param channels C
 * @param stride rows from one result to the next
 */
public record Convolution(List<Linear> groups, int channels, int stride) {
    /** Rows that a result is made of. */
    public static final int WIDTH = 3;

    /** Copies the list. */
    public Convolution {
        groups = List.copyOf(groups);
    }

    /**
     * Computes a row of each place.
     *
     * @param x [T &middot; stride + 2, C], its first row and its last what lies beyond the ends: zeros
     * @param out [T, N]; must not overlap x
     */
    public void forward(Ops ops, Tensor x, Tensor out) {
        int t = out.dim(0);
        for (int i = 0; i < groups.size(); i++) {
            Linear group = groups.get(i);
            Tensor rows = x.slice(0, i * stride, (i + t) * stride)
                    .reshape(t, stride * channels)
                    .slice(1, 0, group.weight().k()); //                [T, rows C]
            group.forward(ops, rows, i == 0 ? null : out, out); //      [T, N]
        }
    }
}
