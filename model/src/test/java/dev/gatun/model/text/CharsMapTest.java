package dev.gatun.model.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;

class CharsMapTest {
    /** One block of 256 units: all zero but some, then so many bytes of replacements. */
    private static byte[] map(int replacementBytes, int... indexesAndUnits) {
        ByteBuffer map = ByteBuffer.allocate(4 + 1024 + replacementBytes).order(ByteOrder.LITTLE_ENDIAN);
        map.putInt(0, 1024);
        for (int i = 0; i < 256; i++) {
            map.putInt(4 + 4 * i, i == 0 ? 1 << 10 : 0x8000_0000); // the root, and units no byte leads to
        }
        for (int i = 0; i < indexesAndUnits.length; i += 2) {
            map.putInt(4 + 4 * indexesAndUnits[i], indexesAndUnits[i + 1]);
        }
        return map.array();
    }

    /** A unit: the byte that leads to it, the bits that lead on from it, and whether a value is there. */
    private static int unit(int label, int offset, boolean leaf) {
        return label | offset << 10 | (leaf ? 1 << 8 : 0);
    }

    @Test
    void theRulesOfARealModelAreFine() throws IOException {
        for (String file : new String[] {"source.spm", "target.spm"}) {
            assertThat(CharsMap.flaw(SentencePieceModel.parse(file, DemoFolder.bytes(file))
                            .charsMap()))
                    .isEmpty();
        }
    }

    @Test
    void noRulesAreFine() {
        assertThat(CharsMap.flaw(new byte[0])).isEmpty();
        assertThat(CharsMap.flaw(map(0))).isEmpty();
    }

    @Test
    void aRuleLeadsFromTheRootByItsBytesToAValue() {
        // 'a' leads from the root's base 1 to unit 1 ^ 'a', whose own base holds the value
        int a = 1 ^ 'a';
        int base = a ^ 7;
        assertThat(CharsMap.flaw(map(5, a, unit('a', 7, true), base, 0x8000_0005)))
                .isEmpty();
        assertThat(CharsMap.flaw(map(5, a, unit('a', 7, true), base, 0x8000_0006)))
                .contains("replacement at byte 6 of 5");
    }

    @Test
    void aTrieOfAnotherSizeThanItSaysIsFlawed() {
        assertThat(CharsMap.flaw(new byte[3])).contains("too short");
        assertThat(CharsMap.flaw(new byte[8])).contains("trie of 0 bytes");
        byte[] map = map(0);
        ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN).putInt(0, 1028);
        assertThat(CharsMap.flaw(map)).contains("trie of 1028 bytes");
        ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN).putInt(0, 1022);
        assertThat(CharsMap.flaw(map)).contains("not a multiple of 4");
        ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN).putInt(0, -4);
        assertThat(CharsMap.flaw(map)).contains("trie of 4294967292 bytes");
        ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN).putInt(0, 512);
        assertThat(CharsMap.flaw(map)).contains("beyond its 128 units");
    }

    @Test
    void aUnitThatLeadsOutOfTheArrayIsFlawed() {
        assertThat(CharsMap.flaw(map(0, 0, unit(0, 256, false)))).contains("from unit 0 to 256, beyond its 256 units");
        assertThat(CharsMap.flaw(map(0, 9, unit('x', 0x1FFFFF, false)))).contains("from unit 9");
        assertThat(CharsMap.flaw(map(0, 9, unit('x', 1, false) | 1 << 9))).contains("from unit 9 to 265");
    }

    @Test
    void aTrieThatRunsInCirclesIsFlawed() {
        int a = 1 ^ 'a';
        // from its own base, 1, 'a' leads back to the same unit: "aaaa..." matches for ever
        assertThat(CharsMap.flaw(map(0, a, unit('a', a ^ 1, true), 1, 0x8000_0000)))
                .contains("circles");
    }
}
