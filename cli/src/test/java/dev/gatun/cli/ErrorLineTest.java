package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.model.InputException;
import dev.gatun.model.weights.ModelFormatException;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import org.junit.jupiter.api.Test;

class ErrorLineTest {
    @Test
    void exceptionsForTheUserAreTheirMessage() {
        assertThat(ErrorLine.of(new Failure("a"))).isEqualTo("a");
        assertThat(ErrorLine.of(new ModelFormatException("b"))).isEqualTo("b");
        assertThat(ErrorLine.of(new InputException("c"))).isEqualTo("c");
        assertThat(ErrorLine.of(new IOException("d"))).isEqualTo("d");
    }

    @Test
    void theSystemsErrorsSayWhatTheirClassSays() {
        assertThat(ErrorLine.of(new NoSuchFileException("f"))).isEqualTo("f: no such file");
        assertThat(ErrorLine.of(new NoSuchFileException("f", null, "no such model folder")))
                .isEqualTo("f: no such model folder");
        assertThat(ErrorLine.of(new NotDirectoryException("f"))).isEqualTo("f: not a folder");
        assertThat(ErrorLine.of(new AccessDeniedException("f"))).isEqualTo("f: access denied");
        assertThat(ErrorLine.of(new DirectoryNotEmptyException("f"))).isEqualTo("f: DirectoryNotEmptyException");
        assertThat(ErrorLine.of(new FileSystemException("f", null, "Read-only file system")))
                .isEqualTo("f: Read-only file system");
        assertThat(ErrorLine.of(new EOFException())).isEqualTo("EOFException");
        assertThat(ErrorLine.of(new UncheckedIOException("g", new NoSuchFileException("f"))))
                .isEqualTo("g: f: no such file");
    }

    @Test
    void whatNobodyExpectedIsCalledInternalAndLeadsToDebug() {
        assertThat(ErrorLine.of(new IllegalStateException("oops")))
                .isEqualTo("internal error: IllegalStateException: oops (--debug shows the stack trace)");
        assertThat(ErrorLine.of(new StackOverflowError())).startsWith("internal error: StackOverflowError: ");
    }

    @Test
    void memoryThatRanOutSaysHowToGiveMore() {
        assertThat(ErrorLine.of(new OutOfMemoryError("Java heap space")))
                .startsWith("out of memory: Java heap space; ")
                .contains("-Xmx");
    }

    @Test
    void anErrorIsOneLineThatATerminalDoesNotActUpon() {
        assertThat(ErrorLine.of(new Failure("a\nb\u001b[2J\r"))).isEqualTo("a; b\\u001b[2J\\u000d");
        assertThat(ErrorLine.printable("ü 二")).isEqualTo("ü 二");
    }
}
