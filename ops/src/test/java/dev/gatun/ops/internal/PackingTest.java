package dev.gatun.ops.internal;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.memory.BlockFormat;
import dev.gatun.memory.DType;
import dev.gatun.memory.QuantizedMatrix;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.ops.machine.MachineHost;
import dev.gatun.ops.machine.MachineUnavailableException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Weights, packed by machine code, against the same packed by Java: every byte. */
class PackingTest {
    private static final SplittableRandom RANDOM = new SplittableRandom(8);

    /** Any bytes: scales are anything, infinite and NaN too. */
    private static QuantizedMatrix matrix(Arena arena, BlockFormat format, int n, int k) {
        MemorySegment bytes = arena.allocate(QuantizedMatrix.byteSize(format, n, k), 1);
        for (long i = 0; i < bytes.byteSize(); i++) {
            bytes.set(JAVA_BYTE, i, (byte) RANDOM.nextInt());
        }
        return new QuantizedMatrix(bytes, format, n, k);
    }

    @Test
    void aColumnHasTheSameBytesWhoeverPacksIt() {
        try (Arena arena = Arena.ofConfined();
                MachineMatMul machine = new MachineMatMul(MachineHost.open())) {
            for (BlockFormat format : List.of(BlockFormat.Q8_0, BlockFormat.Q4_0, BlockFormat.Q4_1)) {
                for (int n : new int[] {1, 15, 16, 17, 50}) {
                    for (int k : new int[] {32, 64, 576}) {
                        QuantizedMatrix matrix = matrix(arena, format, n, k);
                        MemorySegment expected = ((CompressedWeight) new VectorMatMul().pack(matrix, arena)).segment();
                        MemorySegment packed = ((CompressedWeight) machine.pack(matrix, arena)).segment();
                        long different = packed.mismatch(expected);
                        assertThat(different)
                                .as(
                                        "%s [%d, %d]: first byte that differs, %s",
                                        format, n, k, at(packed, expected, different))
                                .isEqualTo(-1);
                    }
                }
            }
        } catch (MachineUnavailableException e) {
            System.err.println("tested without machine code that packs blocks: " + e.getMessage());
        }
    }

    @Test
    void rowsOfFloatsAndOfHalvesLieAsJavaPacksThem() {
        try (Arena arena = Arena.ofConfined();
                MachineMatMul machine = new MachineMatMul(MachineHost.open())) {
            for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
                for (int n : new int[] {1, 16, 17, 48}) {
                    for (int k : new int[] {1, 16, 31, 32, 33, 96}) {
                        Tensor whole = Tensor.allocate(arena, type, Shape.of(n, k + 5));
                        for (long i = 0; i < whole.segment().byteSize(); i++) {
                            whole.segment().set(JAVA_BYTE, i, (byte) RANDOM.nextInt());
                        }
                        Tensor weight = whole.slice(1, 3, 3 + k);
                        MemorySegment expected = StoredLayouts.segment(new VectorMatMul().pack(weight, arena));
                        MemorySegment packed = StoredLayouts.segment(machine.pack(weight, arena));
                        assertThat(packed.mismatch(expected))
                                .as("%s [%d, %d]: first byte that differs", type, n, k)
                                .isEqualTo(-1);
                    }
                }
            }
        } catch (MachineUnavailableException e) {
            System.err.println("tested without machine code that packs rows: " + e.getMessage());
        }
    }

    private static String at(MemorySegment packed, MemorySegment expected, long different) {
        if (different < 0) {
            return "none";
        }
        long at = different / 4 * 4;
        return Integer.toHexString(packed.get(JAVA_INT, at)) + " for "
                + Integer.toHexString(expected.get(JAVA_INT, at));
    }
}
