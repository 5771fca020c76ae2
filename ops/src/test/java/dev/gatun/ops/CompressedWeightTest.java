package dev.gatun.ops;

import static dev.gatun.ops.TestTensors.assertClose;
import static dev.gatun.ops.TestTensors.assertSameBits;
import static dev.gatun.ops.TestTensors.nan;
import static dev.gatun.ops.TestTensors.random;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Shape;
import dev.gatun.memory.ShapeException;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.Backend.Kind;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A product with a compressed weight has the bits of the product with the same weight as F32, on the vector and the scalar
 * backend, for any rows, threads and sizes.
 */
@Tag("species")
class CompressedWeightTest {
    private static final int[] ROWS = {1, 2, 7, 8, 9, 33};

    private static Tensor linear(
            Kind kind, int threads, Arena arena, Tensor x, Object weight, @Nullable Tensor bias, int n) {
        Tensor out = nan(arena, x.dim(0), n);
        try (Backend backend = Backend.open(new Backend.Options(kind, threads, null))) {
            PackedWeight packed = weight instanceof QuantizedMatrix matrix
                    ? backend.pack(matrix, arena)
                    : backend.pack((Tensor) weight, arena);
            backend.newOps(arena).linear(x, packed, bias, out);
        }
        return out;
    }

    /** Any codes; scales between 2^-9 and 2^-3, either sign. */
    private static QuantizedMatrix quantized(Arena arena, BlockFormat format, int n, int k) {
        Random random = new Random(5);
        byte[] bytes = new byte[(int) QuantizedMatrix.byteSize(format, n, k)];
        random.nextBytes(bytes);
        int halfAt = format == BlockFormat.Q6_K ? 208 : 0;
        int halves = format.hasMin() ? 2 : 1;
        for (int at = halfAt; at < bytes.length; at += format.blockBytes()) {
            for (int i = 0; i < halves; i++) {
                short half = Float.floatToFloat16((random.nextFloat() + 0.03f) / 8 * (random.nextBoolean() ? 1 : -1));
                bytes[at + 2 * i] = (byte) half;
                bytes[at + 2 * i + 1] = (byte) (half >> 8);
            }
        }
        return matrix(arena, format, n, k, bytes);
    }

    private static QuantizedMatrix matrix(Arena arena, BlockFormat format, int n, int k, byte[] bytes) {
        MemorySegment segment = arena.allocate(bytes.length);
        MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
        return new QuantizedMatrix(segment, format, n, k);
    }

    private static void assertEqualToF32(Arena arena, Object weight, Tensor f32, int... rows) {
        int n = f32.dim(0);
        Tensor bias = random(arena, 3, n);
        for (int m : rows) {
            Tensor x = random(arena, m, m, f32.dim(1));
            Tensor expected = linear(Kind.SCALAR, 1, arena, x, f32, bias, n);
            assertSameBits("scalar", linear(Kind.SCALAR, 2, arena, x, weight, bias, n), expected);
            for (int threads = 1; threads <= 3; threads++) {
                for (Kind kind : ExactKinds.kernels()) {
                    assertSameBits("F32", linear(kind, threads, arena, x, f32, bias, n), expected);
                    Tensor actual = linear(kind, threads, arena, x, weight, bias, n);
                    assertSameBits(
                            weight + ", " + kind + ", " + m + " rows, " + threads + " threads", actual, expected);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void aBlockFormatIsAWayToStoreFloats(BlockFormat format) {
        try (Arena arena = Arena.ofShared()) {
            QuantizedMatrix weight = quantized(arena, format, 117, 768);
            assertEqualToF32(arena, weight, weight.toF32(arena), ROWS);
        }
    }

    @ParameterizedTest
    @EnumSource
    void sizesNeedNotFillVectors(BlockFormat format) {
        int[] ns = {1, 15, 16, 17, 47, 48, 49, 64, 65, 500};
        for (int n : ns) {
            try (Arena arena = Arena.ofShared()) {
                QuantizedMatrix weight = quantized(arena, format, n, format.blockSize());
                assertEqualToF32(arena, weight, weight.toF32(arena), 1, 3);
            }
        }
        try (Arena arena = Arena.ofShared()) {
            QuantizedMatrix weight = quantized(arena, format, 20, 1024 + format.blockSize());
            assertEqualToF32(arena, weight, weight.toF32(arena), 1, 3);
        }
    }

    @ParameterizedTest
    @EnumSource
    void anyBytesGiveTheSameBits(BlockFormat format) {
        Random random = new Random(11);
        byte[] bytes = new byte[(int) QuantizedMatrix.byteSize(format, 64, 512)];
        random.nextBytes(bytes);
        try (Arena arena = Arena.ofShared()) {
            QuantizedMatrix weight = matrix(arena, format, 64, 512, bytes);
            assertEqualToF32(arena, weight, weight.toF32(arena), 1, 2);
        }
    }

    @ParameterizedTest
    @EnumSource
    void openBlasWidens(BlockFormat format) {
        try (Arena arena = Arena.ofShared()) {
            QuantizedMatrix weight = quantized(arena, format, 33, 256);
            Tensor x = random(arena, 1, 4, 256);
            Tensor bias = random(arena, 2, 33);
            Tensor expected = linear(Kind.SCALAR, 1, arena, x, weight, bias, 33);
            assertClose("openblas", linear(Kind.OPENBLAS, 1, arena, x, weight, bias, 33), expected, 1e-2);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void sixteenBitFloatsAreWidenedByTheKernels(DType type) {
        for (int k : new int[] {1, 2, 7, 64, 513, 1031}) {
            try (Arena arena = Arena.ofShared()) {
                Tensor weight = TestTensors.as(arena, type, random(arena, 1, 70, k));
                assertEqualToF32(arena, weight, weight.toF32(arena), k == 64 ? ROWS : new int[] {1, 3});
                Tensor turned =
                        TestTensors.as(arena, type, random(arena, 1, k, 70)).transpose(0, 1);
                assertEqualToF32(arena, turned, turned.toF32(arena), 1, 2);
            }
        }
    }

    /** Times one, so that the product is the weight: of all 65,536, infinities and NaN included. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void every16BitFloatIsExact(DType type) {
        try (Arena arena = Arena.ofShared()) {
            Tensor weight = Tensor.allocate(arena, type, Shape.of(65536, 1));
            for (int i = 0; i < 65536; i++) {
                weight.segment().set(ValueLayout.JAVA_SHORT, i * 2L, (short) i);
            }
            Tensor one = Tensor.copyOf(arena, new float[] {1f}, 1, 1);
            Tensor three = Tensor.copyOf(arena, new float[] {1f, 1f, 1f}, 3, 1);
            Tensor expected = linear(Kind.SCALAR, 1, arena, one, weight, null, 65536);
            assertSameBits("product", linear(Kind.VECTOR, 1, arena, one, weight, null, 65536), expected);
            Tensor many = linear(Kind.VECTOR, 1, arena, three, weight, null, 65536);
            assertSameBits("by way of scratch", many.slice(0, 2, 3), expected);
        }
    }

    @Test
    void compressedWeightsTakeTheirBytes() {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.VECTOR, 1, null))) {
            Tensor half = Tensor.allocate(arena, DType.BF16, Shape.of(96, 256));
            assertThat(backend.packedByteSize(half)).isEqualTo(96 * 256 * 2);
            List<Double> bytesPerWeight = new ArrayList<>();
            for (BlockFormat format : BlockFormat.values()) {
                QuantizedMatrix matrix = quantized(arena, format, 96, 256);
                bytesPerWeight.add(backend.packedByteSize(matrix) / (96.0 * 256));
            }
            // Codes, and a scale and a minimum of 4 bytes each for 32 of them, or for 16.
            assertThat(bytesPerWeight).containsExactly(1.125, 0.625, 0.75, 0.75, 0.875, 0.75, 0.875, 1.0);
        }
    }

    @ParameterizedTest
    @EnumSource
    void rowsOfAQuantisedTableAreGathered(BlockFormat format) {
        try (Arena arena = Arena.ofShared();
                Backend backend = Backend.open(new Backend.Options(Kind.SCALAR, 1, null))) {
            QuantizedMatrix table = quantized(arena, format, 9, 512);
            Tensor widened = table.toF32(arena);
            Ops ops = backend.newOps(arena);
            int[] ids = {99, 8, 0, 8};
            Tensor expected = nan(arena, 3, 512);
            Tensor out = nan(arena, 3, 512);
            ops.gather(widened, ids, 1, expected);
            ops.gather(table, ids, 1, out);
            assertSameBits("rows", out, expected);
            assertThatThrownBy(() -> ops.gather(table, ids, 0, out))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessage("gather: id 99 at index 0 is not 0 to 8");
            assertThatThrownBy(() -> ops.gather(table, ids, 2, out)).isInstanceOf(ShapeException.class);
            assertThatThrownBy(() -> ops.gather(table, ids, 0, nan(arena, 3, 256)))
                    .isInstanceOf(ShapeException.class)
                    .hasMessageContaining(format + "[9,512]");
        }
    }
}
