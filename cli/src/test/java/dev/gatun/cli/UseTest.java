package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UseTest {
    @Test
    void helpListsTheCommandsAndTheOptionsThatAllHave() {
        assertThat(Outcome.of("--help").isDone().out())
                .contains("translate", "verify", "inspect", "doctor")
                .contains("--threads", "--backend", "--blas", "--quiet", "--debug", "--help", "--version")
                .doesNotContain("\u001b");
    }

    @ParameterizedTest
    @ValueSource(strings = {"translate", "verify", "inspect", "doctor"})
    void eachCommandHasHelpWithTheOptionsThatAllHave(String command) {
        assertThat(Outcome.of(command, "--help").isDone().out())
                .contains("gatun " + command)
                .contains("--threads", "--backend", "--blas", "--quiet", "--debug", "--help", "--version");
    }

    @Test
    void theVersionIsOneLine() {
        assertThat(Outcome.of("--version").isDone().lines()).hasSize(1).allMatch(line -> line.startsWith("gatun "));
        assertThat(Outcome.of("verify", "--version").isDone()).isEqualTo(Outcome.of("--version"));
    }

    @Test
    void noCommandIsAnError() {
        Outcome.of()
                .refusesWith(
                        "no command, there are translate, summarise, transcribe, generate, chat, embed, similarity,"
                            + " rerank, classify, fill-mask, answer, serve, verify, inspect, plan, pack, doctor; see"
                            + " gatun --help");
        Outcome.of("--quiet").refusesWith("no command, there are translate");
    }

    @Test
    void anUnknownCommandIsNamed() {
        Outcome.of("transalte", "a text")
                .refusesWith("no command transalte, there are translate, summarise, transcribe");
        Outcome.of("--quiet", "trans\nlate").refusesWith("no command trans; late, there are");
    }

    @Test
    void anUnknownOptionIsNamedWithTheHelpToRead() {
        Outcome.of("verify", "--bogus", "dir").refusesWith("unknown option: '--bogus'", "see gatun verify --help");
        Outcome.of("--bogus").refusesWith("unknown option: '--bogus'", "see gatun --help");
    }

    @Test
    void anOptionThatIsGivenTwiceIsAnError() {
        Outcome.of("doctor", "--threads", "1", "--threads", "2").refusesWith("--threads", "only once");
    }

    @Test
    void anOptionWithoutItsValueIsAnError() {
        Outcome.of("doctor", "--threads").refusesWith("missing required parameter for option '--threads'");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "1025", "2147483647"})
    void threadsOutOfRangeAreAnError(String threads) {
        Outcome.of("translate", "--threads", threads, "a text")
                .refusesWith("--threads " + threads + ": must be 1 to 1024");
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "", "1.5", "99999999999"})
    void threadsThatAreNoNumberAreAnError(String threads) {
        Outcome.of("translate", "--threads=" + threads, "a text")
                .refusesWith("'--threads'", "'" + threads + "' is not an int");
    }

    @ParameterizedTest
    @ValueSource(strings = {"foo", "OPENBLAS", ""})
    void anUnknownBackendIsAnErrorThatListsThem(String backend) {
        Outcome.of("doctor", "--backend=" + backend)
                .refusesWith("--backend", "'" + backend + "' is none of openblas, vector, machine, scalar, auto");
    }

    @ParameterizedTest
    @ValueSource(strings = {"int4", "INT8", ""})
    void anUnknownComputeTypeIsAnErrorThatListsThem(String type) {
        Outcome.of("doctor", "--compute=" + type).refusesWith("--compute", "'" + type + "' is none of f32, int8");
    }

    @Test
    void openBlasComputesInFloatsOnly() {
        Outcome.of("embed", "--backend", "openblas", "--compute", "int8", "a")
                .refusesWith("--compute int8: backend openblas multiplies floats only");
    }

    @Test
    void aBlasForABackendThatUsesNoneIsAnError() {
        Outcome.of("doctor", "--backend", "vector", "--blas", "lib.so")
                .refusesWith("--blas lib.so: backend vector uses no BLAS");
    }

    @Test
    void optionsThatAllHaveMayStandBeforeTheCommand() {
        Outcome.of("--threads", "0", "doctor").refusesWith("--threads 0: must be 1 to 1024");
        Outcome.of("--backend", "foo", "doctor").refusesWith("'foo' is none of openblas");
    }

    @Test
    void debugShowsTheStackTrace() {
        Outcome outcome = Outcome.of("verify", "no-such-folder", "--debug");
        assertThat(outcome.code()).isEqualTo(2);
        assertThat(outcome.out()).isEmpty();
        assertThat(outcome.err().lines().findFirst()).contains("gatun: no-such-folder: no such model folder");
        assertThat(outcome.err()).contains("NoSuchFileException", "\tat dev.gatun.cli.VerifyCommand.run(");
    }
}
