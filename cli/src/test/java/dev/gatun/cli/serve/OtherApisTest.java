package dev.gatun.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reranking, translation, and vectors for many at once. */
class OtherApisTest {
    private static RunningServer server;

    @BeforeAll
    static void start(@TempDir Path folder) throws IOException {
        server = RunningServer.start(ServeSettings.DEFAULT, folder);
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static JsonNode post(String path, String json) throws Exception {
        HttpResponse<String> response = server.post(path, json);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return new ObjectMapper().readTree(response.body());
    }

    @Test
    void textsAreRanked() throws Exception {
        JsonNode all = post(
                "/v1/rerank",
                "{\"model\": \"cross\", \"query\": \"how\", \"documents\": [\"a lock\", {\"text\": \"the lake\"},"
                        + " \"ships\"]}");
        var scores = ((ServedModel.Scores) server.model("cross"))
                .reranker()
                .rank("how", List.of("a lock", "the lake", "ships"));
        assertThat(all.get("results")).hasSize(3);
        for (int i = 0; i < 3; i++) {
            JsonNode result = all.get("results").get(i);
            assertThat(result.get("index").asInt()).isEqualTo(scores.get(i).index());
            assertThat(result.get("relevance_score").floatValue())
                    .isEqualTo(scores.get(i).score());
            assertThat(result.get("document").get("text").asText())
                    .isEqualTo(scores.get(i).text());
        }
        JsonNode one = post(
                "/v2/rerank",
                "{\"query\": \"how\", \"documents\": [\"a lock\", \"ships\"], \"top_n\": 1, \"return_documents\":"
                        + " false}");
        assertThat(one.get("results")).hasSize(1);
        assertThat(one.get("results").get(0).has("document")).isFalse();
    }

    @Test
    void textsAreTranslated() throws Exception {
        JsonNode answer = post("/translate", "{\"text\": [\"I love you\", \"two hundred and five\"]}");
        assertThat(answer.get("translations").get(0).get("text").asText()).isEqualTo("我爱你");
        assertThat(answer.get("translations").get(1).get("text").asText()).isEqualTo("二百零五");
        assertThat(server.post("/translate", "{}").statusCode()).isEqualTo(400);
    }

    @Test
    void aVectorIsTheSameWhoeverAsksAtTheSameTime() throws Exception {
        List<String> texts = IntStream.range(0, 60)
                .mapToObj(i -> "lock " + i + " of the canal".repeat(1 + i % 7))
                .toList();
        float[][] alone =
                ((ServedModel.Vectors) server.model("mini")).embedder().embedAll(texts);
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<JsonNode>> answers = threads.invokeAll(texts.stream()
                    .map(text -> (Callable<JsonNode>) () -> post("/v1/embeddings", "{\"input\": \"" + text + "\"}"))
                    .toList());
            for (int i = 0; i < alone.length; i++) {
                JsonNode vector = answers.get(i).get().get("data").get(0).get("embedding");
                for (int j = 0; j < alone[i].length; j++) {
                    assertThat(vector.get(j).floatValue()).isEqualTo(alone[i][j]);
                }
            }
        }
    }

    @Test
    void attentionLooksBackAndItsWeightsSumToOne() throws Exception {
        JsonNode answer =
                post("/attention", "{\"text\": \"What is a page?\", \"layer\": 1, \"head\": 1, \"times\": true}");
        int n = answer.get("tokens").size();
        assertThat(answer.get("weights")).hasSize(answer.get("heads").asInt());
        assertThat(answer.get("queries").get(0)).hasSize(answer.get("head_dim").asInt());
        for (JsonNode head : answer.get("weights")) {
            for (int i = 0; i < n; i++) {
                double sum = 0;
                for (int j = 0; j < n; j++) {
                    double weight = head.get(i).get(j).asDouble();
                    assertThat(weight).isBetween(0.0, j > i ? 0.0 : 1.0);
                    sum += weight;
                }
                assertThat(sum).isCloseTo(1, within(1e-4 * n));
            }
        }
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                JsonNode masked = answer.get("masked").get(i).get(j);
                assertThat(masked.isNull()).isEqualTo(j > i);
                assertThat(masked.isNull()
                                || masked.equals(answer.get("scores").get(i).get(j)))
                        .isTrue();
            }
        }
        assertThat(answer.get("position_kind").asText()).isEqualTo("rotary");
        assertThat(answer.get("positions").get(1).get(0).asDouble()).isCloseTo(Math.cos(1), within(1e-4));
        assertThat(answer.get("times"))
                .extracting(line -> line.get("operator").asText())
                .contains("Linear", "Attention", "Rope");
        JsonNode row = answer.get("weights").get(1).get(n - 1); // as softmax has it of the scores
        JsonNode scores = answer.get("scores").get(n - 1);
        double ratio = Math.exp(scores.get(0).asDouble() - scores.get(1).asDouble());
        assertThat(row.get(0).asDouble() / row.get(1).asDouble()).isCloseTo(ratio, within(0.01 * ratio));
        assertThat(server.post("/attention", "{\"text\": \"" + "page ".repeat(99) + "\"}")
                        .body())
                .contains("must have 1 to 96");
    }

    @Test
    void thePageIsThereAndMayLoadNothingElse() throws Exception {
        HttpResponse<String> page = server.get("/");
        assertThat(page.statusCode()).isEqualTo(200);
        assertThat(page.headers().firstValue("Content-Security-Policy").orElseThrow())
                .contains("default-src 'none'", "connect-src 'self'");
        assertThat(page.body()).contains("<title>Gatun</title>").doesNotContain("http://", "https://");
    }
}
