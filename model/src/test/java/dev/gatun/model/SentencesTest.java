package dev.gatun.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SentencesTest {
    @Test
    void cutsAtEndsOfSentencesAndLines() {
        String text = "  One, two.  Is it three? Yes!\nA title\r\n\r\nEnd. ";
        Sentences sentences = Sentences.of(text, Locale.ENGLISH);
        assertThat(sentences.list()).containsExactly("One, two.", "Is it three?", "Yes!", "A title", "End.");
        assertThat(sentences.join(List.of("1", "2", "3", "4", "5"))).isEqualTo("  1  2 3\n4\r\n\r\n5 ");
        assertThat(Sentences.of("你好。再见。", Locale.CHINESE).list()).containsExactly("你好。", "再见。");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " \n ", "one", "a. b. c", "\n\nx\n", "\ud83d half", "\u2028a\u2028"})
    void joiningTheSameSentencesGivesTheText(String text) {
        Sentences sentences = Sentences.of(text, Locale.ROOT);
        assertThat(sentences.join(sentences.list())).isEqualTo(text);
    }
}
