package dev.gatun.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {
    private final Arena arena = Arena.ofShared();

    @AfterEach
    void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    /** 0, 1, 2, ... in row-major order. */
    private Tensor counting(int... dims) {
        float[] values = new float[(int) Shape.of(dims).elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        return Tensor.copyOf(arena, values, dims);
    }

    @Test
    void allocatesZerosOnACacheLine() {
        Tensor tensor = Tensor.allocate(arena, DType.F32, Shape.of(3, 5));
        assertThat(tensor.segment().address() % Tensor.ALIGNMENT).isZero();
        assertThat(tensor.toFloats()).containsOnly(0f).hasSize(15);
        assertThat(tensor.byteSize()).isEqualTo(60);
        assertThat(tensor).hasToString("F32[3,5]");
    }

    @Test
    void sliceSharesElementsBothWays() {
        Tensor whole = counting(4, 6);
        Tensor part = whole.slice(1, 2, 5);
        assertThat(part.shape()).isEqualTo(Shape.of(4, 3));
        assertThat(part.isContiguous()).isFalse();
        part.setFloat(-1, 3, 0);
        whole.setFloat(-2, 0, 4);
        assertThat(whole.getFloat(3, 2)).isEqualTo(-1);
        assertThat(part.getFloat(0, 2)).isEqualTo(-2);
        assertThat(whole.slice(0, 1, 3).isContiguous()).isTrue();
        assertThat(whole.slice(-1, 0, 2).toFloats()).containsExactly(0, 1, 6, 7, 12, 13, 18, 19);
    }

    @Test
    void selectDropsTheDimensionAndSharesElements() {
        Tensor whole = counting(2, 3, 4);
        Tensor middle = whole.select(1, 2);
        assertThat(middle.shape()).isEqualTo(Shape.of(2, 4));
        assertThat(middle.toFloats()).containsExactly(8, 9, 10, 11, 20, 21, 22, 23);
        middle.setFloat(-5, 1, 3);
        assertThat(whole.getFloat(1, 2, 3)).isEqualTo(-5);
        assertThat(whole.select(0, 1).select(0, 0).select(0, 3).getFloat()).isEqualTo(15);
    }

    @Test
    void transposeSharesElements() {
        Tensor whole = counting(2, 3);
        Tensor turned = whole.transpose(0, -1);
        assertThat(turned.shape()).isEqualTo(Shape.of(3, 2));
        assertThat(turned.toFloats()).containsExactly(0, 3, 1, 4, 2, 5);
        turned.setFloat(-7, 2, 0);
        assertThat(whole.getFloat(0, 2)).isEqualTo(-7);
        assertThat(turned.transpose(1, 0).isContiguous()).isTrue();
    }

    @Test
    void splitHeadsMovesNoByte() {
        Tensor hidden = counting(2, 3, 8);
        Tensor heads = hidden.splitHeads(4);
        assertThat(heads.shape()).isEqualTo(Shape.of(2, 4, 3, 2));
        assertThat(heads.segment().address()).isEqualTo(hidden.segment().address());
        assertThat(heads.getFloat(1, 2, 1, 1)).isEqualTo(hidden.getFloat(1, 1, 2 * 2 + 1));
        heads.setFloat(-3, 0, 3, 2, 0);
        assertThat(hidden.getFloat(0, 2, 6)).isEqualTo(-3);
        // and back: concatenated heads are the old shape again
        assertThat(heads.transpose(1, 2).reshape(2, 3, 8).toFloats()).containsExactly(hidden.toFloats());
    }

    @Test
    void reshapeOfAContiguousTensorIsAlwaysAView() {
        Tensor whole = counting(4, 6);
        Tensor other = whole.reshape(2, 1, 12);
        other.setFloat(-1, 1, 0, 11);
        assertThat(whole.getFloat(3, 5)).isEqualTo(-1);
        assertThat(counting(1).reshape().rank()).isZero();
    }

    @Test
    void reshapeOfAStridedTensorSplitsDimensionsAndMergesNeighbours() {
        Tensor left = counting(4, 6).slice(1, 0, 4);
        assertThat(left.reshape(2, 2, 2, 2).toFloats()).containsExactly(left.toFloats());
        assertThat(left.reshape(4, 1, 4, 1).toFloats()).containsExactly(left.toFloats());
        Tensor batches = counting(2, 3, 8).slice(2, 0, 4);
        assertThat(batches.reshape(6, 4).toFloats()).containsExactly(batches.toFloats());
    }

    @Test
    void dimensionsOfSizeOneNeverForceACopy() {
        Tensor columns = counting(3, 4, 6).transpose(1, 2).slice(1, 0, 1); // [3,1,4], strides 24, 1, 6
        assertThat(columns.reshape(3, 4).toFloats()).containsExactly(columns.toFloats());
        Tensor row = counting(5, 1).transpose(0, 1);
        assertThat(row.isContiguous()).isTrue();
        assertThat(row.stride(0)).isEqualTo(5);
    }

    @Test
    void reshapeThatNeedsACopyIsRefusedWithShapesAndStrides() {
        assertThatThrownBy(() -> counting(4, 6).transpose(0, 1).reshape(24))
                .isInstanceOf(ShapeException.class)
                .hasMessageContainingAll("[6,4]", "[24]", "strides [1, 6]", "needs a copy");
        assertThatThrownBy(() -> counting(4, 6).slice(1, 0, 4).reshape(16)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> counting(4, 6).reshape(5, 5))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("24 elements are not 25");
    }

    @Test
    void viewsOfNothingAreLegalAnywhere() {
        Tensor empty = counting(3, 4).slice(0, 3, 3);
        assertThat(empty.shape()).isEqualTo(Shape.of(0, 4));
        assertThat(empty.select(1, 3).toFloats()).isEmpty();
        assertThat(empty.slice(1, 2, 4).transpose(0, 1).reshape(0, 7).toFloats())
                .isEmpty();
        assertThat(Tensor.allocate(arena, DType.F32, Shape.of(0, 5))
                        .slice(1, 4, 5)
                        .elements())
                .isZero();
    }

    @Test
    void illegalViewsNameTheShapeAndTheRule() {
        Tensor tensor = counting(2, 3);
        assertThatThrownBy(() -> tensor.slice(1, 2, 4))
                .isInstanceOf(ShapeException.class)
                .hasMessageContainingAll("[2,3]", "[2,4)", "dimension 1 of 3");
        assertThatThrownBy(() -> tensor.slice(1, 2, 1)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> tensor.slice(0, -1, 1)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> tensor.slice(2, 0, 1)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> tensor.select(0, 2))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("no index 2");
        assertThatThrownBy(() -> tensor.select(-3, 0)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> tensor.transpose(0, 2)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> tensor.transpose(-3, 0)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> tensor.stride(5)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> tensor.splitHeads(3))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("[batch, ctx");
        assertThatThrownBy(() -> counting(1, 2, 6).splitHeads(4)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> counting(1, 2, 6).splitHeads(0)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> tensor.getFloat(0))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("rank is 2");
        assertThatThrownBy(() -> tensor.getFloat(0, 3))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("outside");
        assertThatThrownBy(() -> Tensor.copyOf(arena, new float[5], 2, 3)).isInstanceOf(ShapeException.class);
        assertThatThrownBy(() -> Tensor.of(arena.allocate(23), DType.F32, Shape.of(2, 3)))
                .isInstanceOf(ShapeException.class)
                .hasMessageContainingAll("F32[2,3]", "24 bytes", "only 23");
    }

    @ParameterizedTest
    @CsvSource({"0x0000, 0", "0x3C00, 1", "0xC000, -2", "0x7BFF, 65504", "0x0001, 5.9604645E-8", "0x7C00, Infinity"})
    void readsF16(String bits, float value) {
        assertThat(shorts(DType.F16, Integer.decode(bits)).getFloat(0)).isEqualTo(value);
    }

    @ParameterizedTest
    @CsvSource({
        "0x0000, 0",
        "0x3F80, 1",
        "0xC000, -2",
        "0x7F7F, 3.3895314E38",
        "0x0001, 9.1835E-41",
        "0xFF80, -Infinity"
    })
    void readsBf16(String bits, float value) {
        assertThat(shorts(DType.BF16, Integer.decode(bits)).getFloat(0)).isEqualTo(value);
    }

    @Test
    void readsNotANumberInEitherHalfType() {
        assertThat(shorts(DType.F16, 0x7E00).getFloat(0)).isNaN();
        assertThat(shorts(DType.BF16, 0x7FC0).getFloat(0)).isNaN();
    }

    private Tensor shorts(DType dtype, int bits) {
        Tensor tensor = Tensor.allocate(arena, dtype, Shape.of(1));
        tensor.segment().set(ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN), 0, (short) bits);
        return tensor;
    }

    @ParameterizedTest
    @CsvSource({"I8, -1", "U8, 255", "BOOL, 1", "I16, -1", "I32, -1", "I64, -1"})
    void readsAllBitsSetAsTheIntegerTypeSays(DType dtype, long value) {
        Tensor tensor = Tensor.allocate(arena, dtype, Shape.of(2));
        tensor.segment().asSlice(dtype.byteSize()).fill((byte) 0xFF);
        assertThat(tensor.toLongs()).containsExactly(0, value);
        assertThatThrownBy(() -> tensor.getFloat(0))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining(dtype.toString());
        assertThatThrownBy(() -> tensor.setFloat(1, 0)).isInstanceOf(ShapeException.class);
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void aTypeIsEitherFloatOrReadAsAnInteger(DType dtype) {
        Tensor tensor = Tensor.allocate(arena, dtype, Shape.of(3));
        assertThat(tensor.byteSize()).isEqualTo(3L * dtype.byteSize());
        if (dtype.isFloat()) {
            assertThat(tensor.toFloats()).containsExactly(0, 0, 0);
            assertThatThrownBy(tensor::toLongs).isInstanceOf(ShapeException.class);
        } else {
            assertThat(tensor.toLongs()).containsExactly(0, 0, 0);
            assertThatThrownBy(tensor::toFloats).isInstanceOf(ShapeException.class);
        }
    }

    @Test
    void readsElementsAtAnyByteOffset() {
        MemorySegment segment = arena.allocate(64, 64).asSlice(3);
        segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 4, 2.5f);
        assertThat(Tensor.of(segment, DType.F32, Shape.of(2)).toFloats()).containsExactly(0, 2.5f);
    }

    @Test
    void copyFromTakesAnyLayoutAndAnyFloatType() {
        Tensor source = counting(4, 6);
        Tensor target = Tensor.allocate(arena, DType.F32, Shape.of(6, 4));
        target.copyFrom(source.transpose(0, 1));
        assertThat(target.toFloats()).containsExactly(source.transpose(0, 1).toFloats());
        Tensor turned = Tensor.allocate(arena, DType.F32, Shape.of(4, 6)).transpose(0, 1);
        turned.copyFrom(target);
        assertThat(turned.toFloats()).containsExactly(target.toFloats());
        Tensor one = Tensor.allocate(arena, DType.F32, Shape.of(1));
        one.copyFrom(shorts(DType.F16, 0xC000));
        assertThat(one.getFloat(0)).isEqualTo(-2);
        assertThatThrownBy(() -> target.copyFrom(source))
                .isInstanceOf(ShapeException.class)
                .hasMessageContainingAll("[4,6]", "[6,4]");
    }

    @Test
    void widenRowWritesOneRowOfAnyFloatMatrix() {
        Tensor turned = counting(3, 2).transpose(0, 1); // rows 0 2 4 and 1 3 5
        Tensor out = Tensor.allocate(arena, DType.F32, Shape.of(4));
        turned.widenRow(1, out.segment(), Float.BYTES);
        assertThat(out.toFloats()).containsExactly(0, 1, 3, 5);
        assertThatThrownBy(() -> turned.widenRow(2, out.segment(), 0))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("row 2");
        assertThatThrownBy(() -> counting(3).widenRow(0, out.segment(), 0)).isInstanceOf(ShapeException.class);
    }

    @Test
    void everyUseAfterCloseThrowsFromThisThreadAndFromAnother() {
        Tensor tensor = counting(2, 3);
        Tensor view = tensor.transpose(0, 1);
        arena.close();
        Consumer<Tensor> read = t -> t.getFloat(0, 0);
        Consumer<Tensor> write = t -> t.setFloat(1, 0, 0);
        for (Consumer<Tensor> use : List.of(read, write, Tensor::toFloats)) {
            for (Tensor closed : List.of(tensor, view)) {
                assertThatThrownBy(() -> use.accept(closed)).isInstanceOf(IllegalStateException.class);
                assertThatThrownBy(() -> CompletableFuture.runAsync(() -> use.accept(closed))
                                .join())
                        .isInstanceOf(CompletionException.class)
                        .hasCauseInstanceOf(IllegalStateException.class);
            }
        }
    }
}
