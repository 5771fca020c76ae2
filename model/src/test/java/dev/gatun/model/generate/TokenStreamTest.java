package dev.gatun.model.generate;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class TokenStreamTest {
    /** Ids are bytes. */
    private static TokenStream bytes() {
        return new TokenStream(ids -> {
            byte[] bytes = new byte[ids.length];
            for (int i = 0; i < ids.length; i++) {
                bytes[i] = (byte) ids[i];
            }
            return new String(bytes, StandardCharsets.UTF_8);
        });
    }

    @Test
    void charactersComeWhole() {
        TokenStream stream = bytes();
        var shown = new StringBuilder();
        String text = "a\u00e9\u65e5\ud83d\ude80b";
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            String part = stream.add(b);
            assertThat(part).doesNotContain("\uFFFD");
            assertThat(part.codePointCount(0, part.length())).isLessThanOrEqualTo(1);
            shown.append(part);
        }
        shown.append(stream.finish());
        assertThat(shown.toString()).isEqualTo(text);
    }

    @Test
    void anIncompleteCharacterShowsAtTheEnd() {
        TokenStream stream = bytes();
        assertThat(stream.add('x')).isEqualTo("x");
        assertThat(stream.add(0xe6)).isEmpty();
        assertThat(stream.finish()).isEqualTo("\uFFFD");
    }
}
