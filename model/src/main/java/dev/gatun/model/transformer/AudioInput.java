package dev.gatun.model.transformer;

import dev.gatun.memory.Tensor;
import dev.gatun.memory.Workspace;
import dev.gatun.model.nn.Convolution;
import dev.gatun.ops.Activation;
import dev.gatun.ops.Ops;

/**
 * What the first layer reads of sound: a spectrogram through two convolutions over time, the second of which takes every other
 * position, each with GELU behind it, plus positions (Radford et al. 2023, section 2.2).
 *
 * @param conv1 from the spectrogram's bins to D
 * @param conv2 from D to D, of stride 2
 * @param positions [S, D]
 */
public record AudioInput(Convolution conv1, Convolution conv2, Tensor positions) implements SourceInput {
    /** Columns of a spectrogram that make a source: two a position. */
    public int frames() {
        return conv2.stride() * positions.dim(0);
    }

    /** Bins of the spectrogram. */
    public int bins() {
        return conv1.channels();
    }

    /** Adds room for one source at a time, with a row of zeros at either end of what a convolution reads. */
    void addTo(Workspace.Layout layout) {
        layout.f32("spectrogram", frames() + 2, bins()).f32("convolved", frames() + 2, positions.dim(1));
    }

    /**
     * Writes the rows of one source.
     *
     * @param features [frames, bins]
     * @param out [S, D]
     */
    void forward(Ops ops, Tensor features, Workspace workspace, Tensor out) {
        Tensor spectrogram = workspace.get("spectrogram");
        Tensor convolved = workspace.get("convolved");
        spectrogram.slice(0, 1, frames() + 1).copyFrom(features); //                 [frames, bins]
        Tensor hidden = convolved.slice(0, 1, frames() + 1);
        conv1.forward(ops, spectrogram, hidden); //                                  [frames, D]
        ops.activate(Activation.GELU, hidden, hidden);
        conv2.forward(ops, convolved, out); //                                       [S, D]
        ops.activate(Activation.GELU, out, out);
        ops.add(out, positions, out);
    }
}
