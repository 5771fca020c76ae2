package dev.gatun.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/** Chains of views compared with plain index arithmetic: for each element of a view, the number of the element it must be. */
class TensorViewsPropertyTest {
    /** What a view should be: its shape, and in row-major order which element of the original each of its elements is. */
    private record Model(int[] dims, int[] origin) {
        static Model of(int[] dims) {
            int[] origin = new int[(int) Shape.of(dims).elements()];
            Arrays.setAll(origin, i -> i);
            return new Model(dims, origin);
        }

        int flat(int[] index) {
            int at = 0;
            for (int i = 0; i < dims.length; i++) {
                at = at * dims[i] + index[i];
            }
            return at;
        }

        /** The view of shape {@code target} whose element at an index is this one's at {@code back(index)}. */
        Model map(int[] target, UnaryOperator<int[]> back) {
            int[] moved = new int[(int) Shape.of(target).elements()];
            int[] index = new int[target.length];
            for (int i = 0; i < moved.length; i++) {
                moved[i] = origin[flat(back.apply(index.clone()))];
                for (int d = target.length - 1; d >= 0 && ++index[d] == target[d]; d--) {
                    index[d] = 0;
                }
            }
            return new Model(target, moved);
        }
    }

    private static void agree(Tensor view, Model model) {
        assertThat(view.shape()).isEqualTo(Shape.of(model.dims));
        float[] expected = new float[model.origin.length];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = model.origin[i];
        }
        assertThat(view.toFloats()).containsExactly(expected);
        assertThat(view.segment().byteSize()).isGreaterThanOrEqualTo(view.byteSize());
        if (view.isContiguous()) {
            assertThat(view.segment().byteSize()).isEqualTo(view.byteSize());
        }
    }

    @Property(tries = 500)
    void chainsOfViewsAgreeWithIndexArithmetic(
            @ForAll @Size(min = 1, max = 4) List<@IntRange(min = 1, max = 5) Integer> sizes,
            @ForAll @Size(max = 6) List<@IntRange(max = 4) Integer> steps,
            @ForAll Random random) {
        int[] dims = sizes.stream().mapToInt(Integer::intValue).toArray();
        Model model = Model.of(dims);
        try (Arena arena = Arena.ofConfined()) {
            float[] values = new float[model.origin.length];
            for (int i = 0; i < values.length; i++) {
                values[i] = i;
            }
            Tensor whole = Tensor.copyOf(arena, values, dims);
            Tensor view = whole;
            for (int step : steps) {
                int rank = model.dims.length;
                int dim = rank == 0 ? 0 : random.nextInt(rank);
                Model before = model;
                switch (step) {
                    case 0 -> {
                        if (rank > 0) {
                            int from = random.nextInt(before.dims[dim]);
                            int to = from + 1 + random.nextInt(before.dims[dim] - from);
                            int[] target = before.dims.clone();
                            target[dim] = to - from;
                            model = before.map(target, index -> {
                                index[dim] += from;
                                return index;
                            });
                            view = view.slice(random.nextBoolean() ? dim : dim - rank, from, to);
                        }
                    }
                    case 1 -> {
                        if (rank > 0) {
                            int at = random.nextInt(before.dims[dim]);
                            model = before.map(without(before.dims, dim), index -> with(index, dim, at));
                            view = view.select(dim, at);
                        }
                    }
                    case 2 -> {
                        if (rank > 0) {
                            int other = random.nextInt(rank);
                            model = before.map(swap(before.dims, dim, other), index -> swap(index, dim, other));
                            view = view.transpose(dim, other);
                        }
                    }
                    case 3 -> {
                        if (rank == 3) {
                            int heads = before.dims[2] % 2 == 0 ? 2 : 1;
                            int headDim = before.dims[2] / heads;
                            int[] target = {before.dims[0], heads, before.dims[1], headDim};
                            model = before.map(target, index ->
                                    new int[] {index[0], index[2], index[1] * headDim + index[3]});
                            view = view.splitHeads(heads);
                        }
                    }
                    default -> {
                        int[] target = factors(before.origin.length, random);
                        try {
                            view = view.reshape(target);
                            model = new Model(target, before.origin);
                        } catch (ShapeException e) {
                            assertThat(view.isContiguous())
                                    .as("only a strided view may need a copy")
                                    .isFalse();
                            assertThat(e).hasMessageContaining("needs a copy");
                            assertThat(reshapable(view, target))
                                    .as(view + " to " + Arrays.toString(target))
                                    .isFalse();
                        }
                    }
                }
                agree(view, model);
            }
            int[] first = new int[model.dims.length];
            view.setFloat(-1, first);
            assertThat(whole.toFloats()[model.origin[0]])
                    .as("writing through the view")
                    .isEqualTo(-1);
        }
    }

    /** Whether constant strides exist under which {@code target} visits the view's elements in order. */
    private static boolean reshapable(Tensor view, int[] target) {
        long[] offsets = new long[(int) view.elements()];
        int[] index = new int[view.rank()];
        for (int i = 0; i < offsets.length; i++) {
            for (int d = 0; d < index.length; d++) {
                offsets[i] += index[d] * view.stride(d);
            }
            for (int d = index.length - 1; d >= 0 && ++index[d] == view.dim(d); d--) {
                index[d] = 0;
            }
        }
        long[] strides = new long[target.length];
        int block = offsets.length;
        for (int d = 0; d < target.length; d++) {
            block /= target[d];
            strides[d] = target[d] > 1 ? offsets[block] : 0;
        }
        int[] at = new int[target.length];
        for (long offset : offsets) {
            long expected = 0;
            for (int d = 0; d < at.length; d++) {
                expected += at[d] * strides[d];
            }
            if (expected != offset) {
                return false;
            }
            for (int d = at.length - 1; d >= 0 && ++at[d] == target[d]; d--) {
                at[d] = 0;
            }
        }
        return true;
    }

    /** A random shape of so many elements. */
    private static int[] factors(int elements, Random random) {
        List<Integer> dims = new ArrayList<>();
        int left = elements;
        while (left > 1 && dims.size() < 4) {
            int factor = 1 + random.nextInt(left);
            if (left % factor == 0) {
                dims.add(factor);
                left /= factor;
            }
        }
        dims.add(left);
        return dims.stream().mapToInt(Integer::intValue).toArray();
    }

    private static int[] swap(int[] values, int a, int b) {
        int[] swapped = values.clone();
        swapped[a] = values[b];
        swapped[b] = values[a];
        return swapped;
    }

    private static int[] without(int[] values, int at) {
        int[] kept = new int[values.length - 1];
        System.arraycopy(values, 0, kept, 0, at);
        System.arraycopy(values, at + 1, kept, at, kept.length - at);
        return kept;
    }

    private static int[] with(int[] values, int at, int value) {
        int[] more = new int[values.length + 1];
        System.arraycopy(values, 0, more, 0, at);
        more[at] = value;
        System.arraycopy(values, at, more, at + 1, values.length - at);
        return more;
    }
}
