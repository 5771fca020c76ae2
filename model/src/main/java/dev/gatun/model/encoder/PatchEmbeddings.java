package dev.gatun.model.encoder;

import dev.gatun.memory.Tensor;
import dev.gatun.model.nn.Linear;
import dev.gatun.ops.Ops;

/**
 * What the first layer reads of an image: class tokens, then a token for each patch, plus positions (Dosovitskiy et al. 2021,
 * section 3.1). The convolution over patches that do not overlap is a product of each patch with the kernel.
 *
 * @param projection [D, channels &middot; patch &middot; patch]
 * @param classTokens [c, D]: the class, and in DeiT the distillation token
 * @param positions [c + patches, D]
 * @param channels colours
 * @param imageSize pixels along either side
 * @param patch pixels along either side
 */
record PatchEmbeddings(
        Linear projection, Tensor classTokens, Tensor positions, int channels, int imageSize, int patch) {
    /** Tokens of an image. */
    int tokens() {
        return positions.dim(0);
    }

    /** Width of a patch's row. */
    int patchWidth() {
        return channels * patch * patch;
    }

    /**
     * Embeds one image.
     *
     * @param pixels [channels, imageSize, imageSize]
     * @param rows [patches, channels &middot; patch &middot; patch], overwritten
     * @param out [c + patches, D]
     */
    void forward(Ops ops, Tensor pixels, Tensor rows, Tensor out) {
        int side = imageSize / patch;
        long row = 0;
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++, row += patchWidth()) {
                for (int i = 0; i < channels * patch; i++) {
                    int channel = i / patch;
                    long line = (long) channel * imageSize + (long) y * patch + i % patch;
                    pixels.copyRun(line * imageSize + (long) x * patch, rows, row + (long) i * patch, patch);
                }
            }
        }
        int first = classTokens.dim(0);
        out.slice(0, 0, first).copyFrom(classTokens); //                    [c, D]
        projection.forward(ops, rows, out.slice(0, first, out.dim(0))); //  [patches, D]
        ops.add(out, positions, out); //                                    [c + patches, D]
    }
}
