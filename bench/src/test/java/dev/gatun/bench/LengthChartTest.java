package dev.gatun.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.bench.LengthCommand.Point;
import dev.gatun.cli.Failure;
import java.util.List;
import org.junit.jupiter.api.Test;

class LengthChartTest {
    @Test
    void everyMarkIsAMeasurement() {
        List<Point> points = List.of(
                new Point("machine", 8, 2048, 1, 56, 119),
                new Point("machine", 8, 8192, 1, 800, 160),
                new Point("torch-sdpa", 1, 1 << 20, 1, 90_000, 700));
        String svg = LengthChart.of(points);
        assertThat(svg)
                .contains(">machine<", ">torch-sdpa, 1 head<", ">2k<", ">1M<")
                .doesNotContain("NaN");
        assertThat(svg.split("r=\"3.2\"", -1)).as("marks, in two panels").hasSize(2 * points.size() + 1);
    }

    @Test
    void aLineIsReadAsItWasWritten() {
        Point point = new Point("machine", 8, 2048, 2, 56.5, 119);
        assertThat(Point.of(point.line())).isEqualTo(point);
        assertThatThrownBy(() -> Point.of("machine 8"))
                .isInstanceOf(Failure.class)
                .hasMessageContaining("machine 8");
    }
}
