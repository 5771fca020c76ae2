package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;

import dev.gatun.memory.DType;
import dev.gatun.memory.RowFormat;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Keys and values in pages, down to single rows in any order, give what they give side by side. Run at each vector width. */
@Tag("species")
class PagedAttentionTest {
    private static final int BATCH = 3;
    private static final int HEADS = 4;
    private static final int CTX = 300; // more than one tile of keys
    private static final int[] KEYS = {300, 1, 137};
    private static final float SCALE = 0.3f;

    /** Copies key i of sequence b to row i % rows of page pages[b][i / rows]. */
    private static Tensor paged(Arena arena, Tensor from, int[][] pages, int rows, int pageCount) {
        Tensor to = nan(arena, pageCount, from.dim(1), rows, from.dim(3));
        for (int b = 0; b < BATCH; b++) {
            for (int i = 0; i < KEYS[b]; i++) {
                to.select(0, pages[b][i / rows])
                        .select(1, i % rows)
                        .copyFrom(from.select(0, b).select(1, i));
            }
        }
        return to;
    }

    private static int[][] pages(int perSequence, boolean shuffled) {
        List<Integer> numbers = new ArrayList<>();
        for (int i = 0; i < BATCH * perSequence; i++) {
            numbers.add(i);
        }
        if (shuffled) {
            Collections.shuffle(numbers, new Random(5));
        }
        int[][] pages = new int[BATCH][perSequence];
        for (int i = 0; i < numbers.size(); i++) {
            pages[i % BATCH][i / BATCH] = numbers.get(i); // not shuffled: evenly spaced
        }
        return pages;
    }

    @ParameterizedTest
    @CsvSource({"1,false,1", "1,true,1", "1,true,20", "7,true,1", "128,true,3", "256,true,1", "300,false,9"})
    void keysInPagesGiveTheBitsOfKeysSideBySide(int rows, boolean shuffled, int queries) {
        int dK = 33;
        int dV = 20;
        int perSequence = (CTX + rows - 1) / rows;
        int[][] pages = pages(perSequence, shuffled);
        try (Arena arena = Arena.ofShared()) {
            Tensor q = random(arena, 1, BATCH, HEADS, queries, dK);
            Tensor k = random(arena, 2, BATCH, 2, CTX, dK);
            Tensor v = random(arena, 3, BATCH, 2, CTX, dV);
            Tensor pagedK = paged(arena, k, pages, rows, BATCH * perSequence);
            Tensor pagedV = paged(arena, v, pages, rows, BATCH * perSequence);
            Tensor bias = random(arena, 4, 1, HEADS, queries, CTX + 5);
            int[] first = {CTX - queries, 0, 100};
            AttentionMask mask = AttentionMask.causal().atPositions(first).withKeys(null, KEYS);
            AttentionMask dense = mask.with(bias.slice(3, 0, CTX));
            AttentionMask wider = mask.with(bias);
            Tensor expected = nan(arena, BATCH, HEADS, queries, dV);
            try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
                backend.newOps(arena).attention(q, k, v, dense, SCALE, 0, expected);
            }
            for (Kind kind : ExactKinds.andOpenBlas()) {
                try (Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
                    Tensor out = nan(arena, BATCH, HEADS, queries, dV);
                    backend.newOps(arena).attention(q, pagedK, pagedV, pages, wider, SCALE, 0, out);
                    if (kind == Kind.OPENBLAS) {
                        assertClose("openblas", out, expected, 3e-5);
                    } else {
                        assertSameBits(kind.toString(), out, expected);
                    }
                }
            }
        }
    }

    /** The pages with their rows stored in a format, and as the floats that these stand for. */
    private record Stored(Tensor rows, Tensor floats) {
        static Stored of(Arena arena, Tensor pages, RowFormat format) {
            int d = pages.dim(3);
            Tensor rows = Tensor.allocate(
                    arena, format.dtype(), Shape.of(pages.dim(0), pages.dim(1), pages.dim(2), format.columns(d)));
            Tensor floats = Tensor.allocate(arena, DType.F32, pages.shape());
            long count = pages.elements() / d;
            for (int i = 0; i < count; i++) {
                long at = i * (long) d * Float.BYTES;
                format.write(pages.segment(), at, d, rows.segment(), i * format.byteSize(d));
                format.read(rows.segment(), i * format.byteSize(d), d, floats.segment(), at);
            }
            return new Stored(rows, floats);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "F16,1,64",
        "F16,40,64",
        "BF16,1,20",
        "BF16,40,20",
        "Q8_0,1,64",
        "Q8_0,40,64",
        "Q8_0,3,33",
        "F16,20,256",
        "Q8_0,3,500"
    })
    void storedRowsGiveTheBitsOfTheFloatsTheyStandFor(RowFormat format, int queries, int dK) {
        int dV = dK == 64 ? 64 : 24;
        int rows = 256;
        int perSequence = 2;
        int[][] pages = pages(perSequence, true);
        try (Arena arena = Arena.ofShared()) {
            Tensor q = random(arena, 1, BATCH, HEADS, queries, dK);
            Stored k = Stored.of(
                    arena, paged(arena, random(arena, 2, BATCH, 2, CTX, dK), pages, rows, BATCH * perSequence), format);
            Stored v = Stored.of(
                    arena, paged(arena, random(arena, 3, BATCH, 2, CTX, dV), pages, rows, BATCH * perSequence), format);
            int[] first = {CTX - queries, 0, 90};
            AttentionMask mask = AttentionMask.causal().atPositions(first).withKeys(null, KEYS);
            Tensor expected = nan(arena, BATCH, HEADS, queries, dV);
            try (Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
                backend.newOps(arena).attention(q, k.floats, v.floats, pages, mask, SCALE, 0, expected);
            }
            for (Kind kind : ExactKinds.andOpenBlas()) {
                try (Backend backend = Backend.open(new Backend.Options(kind, 2, null))) {
                    Tensor out = nan(arena, BATCH, HEADS, queries, dV);
                    backend.newOps(arena).attention(q, k.rows, v.rows, pages, mask, SCALE, 0, out);
                    if (kind == Kind.OPENBLAS) {
                        assertClose("openblas", out, expected, 3e-5);
                    } else {
                        assertSameBits(kind.toString(), out, expected);
                    }
                }
            }
        }
    }
}
