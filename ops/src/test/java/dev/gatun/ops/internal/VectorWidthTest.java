package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class VectorWidthTest {
    @Test
    void takesTheWidthItIsTold() {
        for (int bits : new int[] {128, 256, 512}) {
            assertThat(VectorWidth.bits(Integer.toString(bits))).isEqualTo(bits);
        }
    }

    @Test
    void takesTheWidthOfTheCpuWhenNotTold() {
        assertThat(VectorWidth.bits(null)).isBetween(128, 512);
    }

    @Test
    void refusesAnyOtherWidth() {
        assertThatThrownBy(() -> VectorWidth.bits("1024"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("gatun.vector.bits")
                .hasMessageContaining("\"1024\"")
                .hasMessageContaining("128, 256 or 512");
        assertThatThrownBy(() -> VectorWidth.bits("wide")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> VectorWidth.bits("")).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    @Tag("species")
    void thisProcessRunsAtTheWidthOfTheProperty() {
        int bits = VectorWidth.bits(System.getProperty(VectorWidth.PROPERTY));
        assertThat(Species.FLOATS.vectorBitSize()).isEqualTo(bits);
        assertThat(Species.INTS.vectorBitSize()).isEqualTo(Species.FLOATS.vectorBitSize());
    }
}
