package dev.gatun.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.System.Logger.Level;
import org.junit.jupiter.api.Test;

class StderrLoggerFinderTest {
    private static final System.Logger LOG = System.getLogger("dev.gatun.some.Name");

    @Test
    void aWarningIsOneLine() {
        assertThat(logged(() -> LOG.log(Level.WARNING, "no OpenBLAS:\nnone"))).isEqualTo("WARNING: no OpenBLAS:; none");
        assertThat(logged(() -> LOG.log(Level.ERROR, "{0} of {1}", 1, 2))).isEqualTo("ERROR: 1 of 2");
        assertThat(logged(() -> LOG.log(Level.WARNING, "broken", new IllegalStateException("why"))))
                .isEqualTo("WARNING: broken: java.lang.IllegalStateException: why");
    }

    @Test
    void bracesInAMessageWithoutParametersStay() {
        assertThat(logged(() -> LOG.log(Level.WARNING, "{\"a\": it's}"))).isEqualTo("WARNING: {\"a\": it's}");
    }

    @Test
    void lessThanAWarningIsDropped() {
        assertThat(logged(() -> LOG.log(Level.INFO, "by the way"))).isEmpty();
        assertThat(LOG.isLoggable(Level.INFO)).isFalse();
        assertThat(LOG.isLoggable(Level.OFF)).isFalse();
    }

    private static String logged(Runnable action) {
        var bytes = new ByteArrayOutputStream();
        var sink = new PrintStream(bytes, true, UTF_8);
        ScopedValue.where(StderrLoggerFinder.SINK, sink).run(action);
        return bytes.toString(UTF_8).strip();
    }
}
