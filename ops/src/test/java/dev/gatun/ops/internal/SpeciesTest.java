package dev.gatun.ops.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class SpeciesTest {
    @Test
    void takesTheWidthItIsTold() {
        for (int bits : new int[] {128, 256, 512}) {
            assertThat(Species.choose(Integer.toString(bits)).vectorBitSize()).isEqualTo(bits);
        }
    }

    @Test
    void takesTheWidthOfTheCpuWhenNotTold() {
        assertThat(Species.choose(null).vectorBitSize()).isBetween(128, 512);
    }

    @Test
    void refusesAnyOtherWidth() {
        assertThatThrownBy(() -> Species.choose("1024"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("gatun.vector.bits")
                .hasMessageContaining("\"1024\"")
                .hasMessageContaining("128, 256 or 512");
        assertThatThrownBy(() -> Species.choose("wide")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Species.choose("")).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    @Tag("species")
    void thisProcessRunsAtTheWidthOfTheProperty() {
        String bits = System.getProperty(Species.PROPERTY);
        assertThat(Species.FLOATS).isEqualTo(Species.choose(bits));
        assertThat(Species.INTS.vectorBitSize()).isEqualTo(Species.FLOATS.vectorBitSize());
    }
}
