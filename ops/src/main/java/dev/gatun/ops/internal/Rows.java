package dev.gatun.ops.internal;

import dev.gatun.ops.Activation;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Operators on the rows of F32 matrices. A matrix is a segment off the heap, the byte offset of its first element and the
 * bytes from one row to the next; a row's elements are adjacent. {@code out} may be the same matrix as an input (same offset
 * and stride), never one that overlaps otherwise. Implementations are stateless and thread-safe and allocate nothing.
 */
public interface Rows {
    /** The name users give on the command line. */
    String name();

    /** About as many elements as a softmax does in the 5 us that a second thread must save to be worth its part. */
    int grain();

    /**
     * out = softmax(x) of each row: exp(x - max) / sum. A row of only -inf gives zeros; a NaN makes its row NaN.
     */
    void softmax(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /**
     * out = x - max - log(sum(exp(x - max))) of each row; log by {@link StrictMath}. A row of only -inf stays so; a NaN makes
     * its row NaN.
     */
    void logSoftmax(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /**
     * One key tile of online softmax (Milakov &amp; Gimelshein 2018; Dao et al. 2022, algorithm 1), in place on {@code scores}:
     * for each row r with running maximum m, running sum l and tile maximum t: m' = max(m, t), score = exp(score - m'),
     * correction = exp(m - m'), l' = l &middot; correction + sum(scores). While m' is -inf scores become 0 and correction 1.
     * A score that is -inf becomes exactly 0.
     *
     * @param state three float arrays of {@code stateRows} elements, one after the other: m, l (read and written), correction
     *     (written); row r of the tile is element r
     */
    void softmaxTile(
            MemorySegment scores,
            long scoresOffset,
            long scoresStride,
            int rows,
            int cols,
            MemorySegment state,
            long stateOffset,
            int stateRows);

    /** x[r] *= factor[r] for each row, factors being adjacent floats. */
    void scaleRows(
            MemorySegment x, long xOffset, long xStride, int rows, int cols, MemorySegment factors, long factorsOffset);

    /** x[r] /= divisor[r] by way of 1 / divisor; a row whose divisor is 0 becomes zeros (it saw no key), and so does -0. */
    void divideRows(
            MemorySegment x,
            long xOffset,
            long xStride,
            int rows,
            int cols,
            MemorySegment divisors,
            long divisorsOffset);

    /**
     * out = (x - mean) / sqrt(variance + epsilon) &middot; weight + bias of each row (Ba et al. 2016), variance biased and summed
     * from (x - mean)&sup2; in a second pass.
     *
     * @param weight cols adjacent floats from {@code weightOffset}
     * @param bias cols adjacent floats from {@code biasOffset}, or null for none
     */
    void layerNorm(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment weight,
            long weightOffset,
            @Nullable MemorySegment bias,
            long biasOffset,
            float epsilon,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /**
     * out = x / sqrt(mean(x&sup2;) + epsilon) &middot; weight of each row (Zhang &amp; Sennrich 2019). Rows are scaled by a power
     * of two first where x&sup2; would overflow.
     */
    void rmsNorm(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment weight,
            long weightOffset,
            float epsilon,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /** out = activation(x), element by element. */
    void activate(
            Activation activation,
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /** out = a + b. With {@code bStride} 0 the one row b is added to every row (a bias). */
    void add(
            MemorySegment a,
            long aOffset,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /** out = a &middot; b, element by element. With {@code bStride} 0 the one row b multiplies every row. */
    void multiply(
            MemorySegment a,
            long aOffset,
            long aStride,
            MemorySegment b,
            long bOffset,
            long bStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /** out = factor &middot; x. */
    void scale(
            float factor,
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /** x = cap &middot; tanh(x / cap), by way of 1 / cap, in place (the soft cap of Gemma 2). */
    void softCap(float cap, MemorySegment x, long xOffset, long xStride, int rows, int cols);

    /**
     * Rotary positions (Su et al. 2021): the first {@code rotaryDim} elements of each row are turned by the row's angles, the
     * rest is copied. Pairs are (i, i + rotaryDim/2), or (2i, 2i + 1) if interleaved: out1 = x1 cos - x2 sin, out2 = x2 cos + x1
     * sin, each as fma(x1, cos, -(x2 &middot; sin)) and fma(x2, cos, x1 &middot; sin).
     *
     * @param cos rotaryDim / 2 adjacent floats a row, rows {@code tableStride} bytes apart, the first at {@code cosOffset};
     *     {@code sin} likewise
     */
    void rope(
            MemorySegment x,
            long xOffset,
            long xStride,
            MemorySegment cos,
            long cosOffset,
            MemorySegment sin,
            long sinOffset,
            long tableStride,
            int rotaryDim,
            boolean interleaved,
            MemorySegment out,
            long outOffset,
            long outStride,
            int rows,
            int cols);

    /** Index of the largest of {@code cols} adjacent floats; the lowest index wins a tie, a NaN is never chosen before a number. */
    int argMax(MemorySegment x, long xOffset, int cols);
}
