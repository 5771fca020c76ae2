package dev.gatun.cli.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.Chars;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Names, and the variables that say where they are looked up. */
class HubNameTest {
    private static final Path HOME = Path.of("home").toAbsolutePath();

    @Test
    void aNameHasARevisionAndAFile() {
        assertThat(HubName.of("org/name")).isEqualTo(new HubName("org/name", "main", null));
        assertThat(HubName.of("org/name@refs/pr/1")).isEqualTo(new HubName("org/name", "refs/pr/1", null));
        assertThat(HubName.of("o/n-1.5@v1:d/m Q4.gguf"))
                .isEqualTo(new HubName("o/n-1.5", "v1", "d/m Q4.gguf"))
                .hasToString("o/n-1.5@v1:d/m Q4.gguf");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "name",
                "a/b/c",
                "/a/b",
                "../b",
                "a/..",
                "./a",
                "a/b@",
                "a/b:",
                "a/b@../c",
                "a/b:../c",
                "a\\b/c",
                "a--b/c",
                "C:\\a/b",
                "a/b\nc",
                "",
                "a/b@c/../d"
            })
    void whatIsNoNameIsNone(String text) {
        assertThat(HubName.of(text)).isNull();
        assertThat(HubName.of("a/" + "b".repeat(100))).isNull();
    }

    @Property(tries = 500)
    void aSafePathStaysBelowItsFolder(
            @ForAll @Chars({'/', '\\', '.', ':', '\n'}) @CharRange(from = 'a', to = 'c') String path) {
        Path folder = HOME.resolve("snapshots");
        if (NeededFiles.isSafe(path)) {
            assertThat(folder.resolve(path).normalize()).startsWithRaw(folder).isNotEqualTo(folder);
        }
    }

    @Test
    void theCacheIsWhereTheVariablesSay() throws IOException {
        assertThat(HubOptions.of(Map.of(), HOME))
                .isEqualTo(new HubOptions(
                        java.net.URI.create("https://huggingface.co"),
                        HOME.resolve(".cache/huggingface/hub"),
                        null,
                        false));
        assertThat(HubOptions.of(Map.of("XDG_CACHE_HOME", "x"), HOME).cache()).isEqualTo(Path.of("x/huggingface/hub"));
        assertThat(HubOptions.of(Map.of("XDG_CACHE_HOME", "x", "HF_HOME", "~/h"), HOME)
                        .cache())
                .isEqualTo(HOME.resolve("h/hub"));
        assertThat(HubOptions.of(Map.of("HF_HOME", "h", "HF_HUB_CACHE", "c"), HOME)
                        .cache())
                .isEqualTo(Path.of("c"));
        for (String value : new String[] {"1", "true", "On", "YES"}) {
            assertThat(HubOptions.of(Map.of("HF_HUB_OFFLINE", value), HOME).offline())
                    .isTrue();
        }
        assertThat(HubOptions.of(Map.of("HF_HUB_OFFLINE", "0"), HOME).offline()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"huggingface.co", "ftp://h", "http://", "http://u:p@h", "http://h?q", "http://h#f", "http://a b"
            })
    void anEndpointThatIsNoServerIsNamed(String endpoint) {
        assertThatThrownBy(() -> HubOptions.of(Map.of("HF_ENDPOINT", endpoint), HOME))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("HF_ENDPOINT is " + endpoint);
    }

    @Test
    void aTokenComesFromItsVariableOrTheLoginsFileAndIsNeverShown(@TempDir Path home) throws IOException {
        HubOptions options = HubOptions.of(Map.of("HF_TOKEN", " hf_x ", "HF_ENDPOINT", "http://h:8/p/"), home);
        assertThat(options.token()).isEqualTo("hf_x");
        assertThat(options.endpoint()).hasToString("http://h:8/p");
        assertThat(options.toString()).contains("with a token").doesNotContain("hf_x");
        Path file = home.resolve(".cache/huggingface/token");
        Files.createDirectories(file.getParent());
        Files.writeString(file, "hf_y\n");
        assertThat(HubOptions.of(Map.of(), home).token()).isEqualTo("hf_y");
        for (String bad : new String[] {"hf x", "hf\nx", "hf\u00e9"}) {
            assertThatThrownBy(() -> HubOptions.of(Map.of("HF_TOKEN", bad), home))
                    .isInstanceOf(IOException.class)
                    .satisfies(
                            e -> assertThat(e.getMessage()).contains("HF_TOKEN").doesNotContain(bad));
        }
    }

    @Test
    void aBlobIsNamedAsGitNamesIt() {
        byte[] bytes = "hello world\n".getBytes(StandardCharsets.US_ASCII);
        BlobHash hash = new BlobHash(new RemoteFile("f", java.net.URI.create("http://h"), "0".repeat(40), 12));
        hash.update(java.nio.ByteBuffer.wrap(bytes));
        assertThat(hash.finish()).isEqualTo("3b18e512dba79e4c8300dd08aeb37f8e728b8dad"); // git hash-object
    }
}
