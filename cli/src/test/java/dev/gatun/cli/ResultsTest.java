package dev.gatun.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import org.junit.jupiter.api.Test;

class ResultsTest {
    @Test
    void linesAreUtf8AndEndWithALineFeedOnEverySystem() {
        var out = new ByteArrayOutputStream();
        var results = new Results(out);
        results.line("二百零五");
        results.line("half \ud83d of a character");
        assertThat(out.size()).isZero();
        results.flush();
        assertThat(out.toString(UTF_8)).isEqualTo("二百零五\nhalf ? of a character\n");
    }

    @Test
    void aReaderThatIsGoneEndsTheOutputWithoutAWord() {
        var results = new Results(failing("Broken pipe"));
        results.line("x".repeat(100_000));
        results.flush();
        assertThat(results.isRead()).isFalse();
        results.line("dropped");
        results.close();
    }

    @Test
    void anyOtherErrorIsOneOfTheUser() {
        var results = new Results(failing("No space left on device"));
        results.line("x");
        assertThat(results.isRead()).isTrue();
        assertThatThrownBy(results::flush)
                .isInstanceOf(Failure.class)
                .hasMessage("stdout cannot be written: No space left on device");
    }

    @Test
    void aCommandWhoseReaderIsGoneStillSaysWhetherAllWasWell() {
        assertThat(run("Broken pipe", "verify", "../golden/models/marian")).isEqualTo("0 ");
        assertThat(run("Broken pipe", "translate", "I love you")).isEqualTo("0 ");
        assertThat(run("No space left on device", "translate", "I love you"))
                .isEqualTo("2 gatun: stdout cannot be written: No space left on device");
        assertThat(run("No space left on device", "--help")).startsWith("2 gatun: stdout cannot be written");
    }

    private static String run(String error, String... args) {
        var err = new ByteArrayOutputStream();
        var in = new ByteArrayInputStream(new byte[0]);
        int code = Main.run(args, in, () -> false, failing(error), new PrintStream(err, true, UTF_8));
        return code + " " + err.toString(UTF_8).strip();
    }

    private static OutputStream failing(String message) {
        return new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException(message);
            }
        };
    }
}
