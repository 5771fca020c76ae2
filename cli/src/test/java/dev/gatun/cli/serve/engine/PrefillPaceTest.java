package dev.gatun.cli.serve.engine;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PrefillPaceTest {
    private static final long MS = 1_000_000;

    private final PrefillPace pace = new PrefillPace(256);

    @Test
    void aSlowStartIsForgottenThoughAllCallsAreShort() {
        pace.prefilled(32, 960 * MS); // nothing is compiled yet
        pace.decoded(16 * MS);
        assertThat(pace.tokens(true)).isEqualTo(8);
        for (int call = 0; call < 40; call++) {
            pace.prefilled(pace.tokens(true), pace.tokens(true) * MS / 2);
            pace.decoded(16 * MS);
        }
        assertThat(pace.tokens(true)).isGreaterThanOrEqualTo(48); // of 64
    }

    @Test
    void shortCallsDoNotMakeThoseToComeShorter() {
        pace.prefilled(64, 32 * MS);
        pace.decoded(16 * MS);
        assertThat(pace.tokens(true)).isEqualTo(64);
        for (int call = 0; call < 40; call++) {
            pace.prefilled(9, 30 * MS);
        }
        assertThat(pace.tokens(true)).isEqualTo(64);
        assertThat(pace.tokens(false)).isEqualTo(256);
    }

    @Test
    void aSmallRestGoesWithWhatIsBeforeIt() {
        assertThat(pace.part(96, 64)).isEqualTo(96);
        assertThat(pace.part(97, 64)).isEqualTo(64);
        assertThat(pace.part(20, 64)).isEqualTo(20);
        assertThat(pace.part(300, 256)).isEqualTo(256); // a session takes no more
    }
}
