package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Conversations with a tiny Llama, whose file has a chat template (golden/spm). */
class ChatCommandTest {
    private static final String SPEED =
            "\\d+ tokens read in [\\d.]+ s \\([\\d.]+ a second\\), 7 written in [\\d.]+ s" + " \\([\\d.]+ a second\\)";

    private static Outcome chat(String input, String... more) {
        String[] args = {
            "chat",
            "--backend",
            "vector",
            "--model",
            "../golden/spm/llama-spm.gguf",
            "--max-tokens",
            "8",
            "--temperature",
            "0"
        };
        String[] all = Arrays.copyOf(args, args.length + more.length);
        System.arraycopy(more, 0, all, args.length, more.length);
        Outcome outcome = Outcome.withInput(input, all);
        assertThat(outcome.code()).isZero();
        return outcome;
    }

    @Test
    void eachLineIsAMessageAndHasAnAnswerAndItsSpeed() {
        Outcome outcome = chat("What is a page?\n\nAnd what is this?\n");
        assertThat(outcome.err().lines()).hasSize(2).allMatch(line -> line.matches(SPEED));
        assertThat(outcome.out()).isNotBlank();
        Outcome again = chat("What is a page?\n/quit\nnot read\n");
        assertThat(again.err().lines()).hasSize(1);
        assertThat(outcome.out())
                .startsWith(again.out())
                .hasSizeGreaterThan(again.out().length());
    }

    @Test
    void anAnswerDependsOnWhatWasSaidBeforeUntilThatIsCleared() {
        String alone = chat("And what is this?\n").out();
        String before = chat("What is a page?\n").out();
        String after = chat("What is a page?\nAnd what is this?\n").out();
        assertThat(after).startsWith(before).isNotEqualTo(before + alone);
        assertThat(chat("What is a page?\n/clear\nAnd what is this?\n").out()).isEqualTo(before + alone);
    }

    @Test
    void theSystemMessageIsAnOptionOrACommand() {
        String option =
                chat("What is a page?\n", "--system", "trained on this page").out();
        assertThat(option).isNotEqualTo(chat("What is a page?\n").out());
        assertThat(chat("/system trained on this page\nWhat is a page?\n").out())
                .isEqualTo(option);
        assertThat(chat("/system trained on this page\n/system\nWhat is a page?\n")
                        .out())
                .isEqualTo(chat("What is a page?\n").out());
    }

    @Test
    void commandsShowHistoryAndRoom() {
        Outcome outcome = chat("What is a page?\n/history\n/stats\n", "--system", "S", "--ctx", "100");
        String answer = outcome.out().strip();
        assertThat(outcome.err()).contains("system: S", "user: What is a page?", "assistant: ", answer.substring(0, 3));
        assertThat(outcome.err()).containsPattern("\\n\\d+ of 100 tokens");
    }

    @Test
    void helpAndUnknownCommandsListThem() {
        for (String command : new String[] {"/help", "/?", "/nonsense"}) {
            Outcome outcome = chat(command + "\n");
            assertThat(outcome.err()).contains("/system TEXT", "/clear", "/history", "/stats", "/quit");
            assertThat(outcome.out()).isEmpty();
        }
        assertThat(chat("//help\n").out())
                .as("a message that starts with a slash")
                .isNotEmpty();
    }

    @Test
    void aMessageThatDoesNotFitIsRefusedAndTheConversationGoesOn() {
        Outcome outcome = chat("page ".repeat(60) + "\nWhat?\n/history\n", "--ctx", "40");
        assertThat(outcome.err()).startsWith("gatun: ").contains("40").contains("user: What?");
        assertThat(outcome.err()).doesNotContain("user: page");
        assertThat(outcome.out().lines()).isNotEmpty();
    }

    @Test
    void aTerminalHasAPrompt() {
        Outcome outcome = Outcome.atTerminal("chat", "--model", "../golden/spm/llama-spm.gguf");
        assertThat(outcome.err()).isEqualTo("> ");
        assertThat(outcome.code()).isZero();
    }

    @Test
    void badUseIsOneLine() {
        Outcome.of("chat").refusesWith("chat: no model", "--model");
        Outcome.of("chat", "--model", "../golden/spm/llama-spm.gguf", "--ctx", "0")
                .refusesWith("--ctx 0: must be at least 1");
        Outcome.of("chat", "--model", "no-such.gguf").refusesWith("no-such.gguf");
    }
}
