package dev.gatun.cli.serve;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's Python client, as it is, against the server; what it checks stands in src/test/python/openai_client.py. */
class OpenAiPythonTest {
    private static String output(Map<String, String> environment, String... command) throws Exception {
        var builder = new ProcessBuilder(command);
        builder.environment().putAll(environment);
        Process process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try {
            String output = new String(process.getInputStream().readAllBytes(), UTF_8);
            assertThat(process.waitFor(10, TimeUnit.MINUTES)).isTrue();
            assertThat(process.exitValue())
                    .as("%s; it needs python3 with pip, and the network once. It said: %s", command[1], output)
                    .isZero();
            return output.strip();
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void chatStreamsEmbeddingsToolsAndSchemas(@TempDir Path folder) throws Exception {
        String packages = output(Map.of(), "sh", "../tools/openai/fetch.sh");
        try (RunningServer server = RunningServer.start(ServeSettings.DEFAULT, folder)) {
            // Only this client, and no proxy between.
            Map<String, String> environment = Map.of("PYTHONPATH", packages, "NO_PROXY", "*", "PYTHONNOUSERSITE", "1");
            assertThat(output(environment, "python3", "src/test/python/openai_client.py", server.url("/v1"))
                            .lines())
                    .containsExactly(
                            "models",
                            "a_chat",
                            "a_stream",
                            "json_schema",
                            "tools",
                            "embeddings",
                            "completions",
                            "errors",
                            "many_at_once");
        }
    }
}
