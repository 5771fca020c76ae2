package dev.gatun.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ShapeTest {
    @Test
    void countsElementsAndDimensionsFromBothEnds() {
        Shape shape = Shape.of(4, 16, 512);
        assertThat(shape.rank()).isEqualTo(3);
        assertThat(shape.elements()).isEqualTo(4 * 16 * 512);
        assertThat(shape.dim(0)).isEqualTo(4);
        assertThat(shape.dim(-1)).isEqualTo(512);
        assertThat(shape).hasToString("[4,16,512]");
    }

    @Test
    void aScalarHasOneElementAndAnEmptyDimensionNone() {
        assertThat(Shape.of().elements()).isEqualTo(1);
        assertThat(Shape.of().rank()).isZero();
        assertThat(Shape.of(3, 0, 7).elements()).isZero();
    }

    @Test
    void isEqualToAShapeOfTheSameDimensionsAndKeepsItsOwnCopy() {
        int[] dims = {2, 3};
        Shape shape = Shape.of(dims);
        dims[0] = 99;
        shape.toArray()[1] = 99;
        assertThat(shape)
                .isEqualTo(Shape.of(2, 3))
                .hasSameHashCodeAs(Shape.of(2, 3))
                .isNotEqualTo(Shape.of(3, 2));
    }

    @Test
    void refusesANegativeDimensionNamingIt() {
        assertThatThrownBy(() -> Shape.of(2, -3))
                .isInstanceOf(ShapeException.class)
                .hasMessageContainingAll("[2, -3]", "-3 is negative");
    }

    @Test
    void refusesMoreElementsThanAByteSizeCanCount() {
        assertThat(Shape.of(1 << 30, 1 << 29).elements()).isEqualTo(1L << 59);
        assertThat(Shape.of(1 << 30, 1 << 29).elements() * DType.F64.byteSize()).isEqualTo(1L << 62);
        assertThatThrownBy(() -> Shape.of(1 << 30, 1 << 30))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("2^59");
        assertThatThrownBy(() -> Shape.of(Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE))
                .isInstanceOf(ShapeException.class);
    }

    @Test
    void refusesADimensionItDoesNotHave() {
        assertThatThrownBy(() -> Shape.of(2, 3).dim(2))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("rank is 2");
        assertThatThrownBy(() -> Shape.of(2, 3).dim(-3))
                .isInstanceOf(ShapeException.class)
                .hasMessageContaining("-3");
        assertThatThrownBy(() -> Shape.of().dim(0)).isInstanceOf(ShapeException.class);
    }
}
