package dev.gatun.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletion.Choice;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionMessageFunctionToolCall;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.chat.completions.ChatCompletionToolChoiceOption;
import com.openai.models.chat.completions.ChatCompletionToolMessageParam;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.embeddings.CreateEmbeddingResponse;
import com.openai.models.embeddings.EmbeddingCreateParams;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.decoder.Decoder.SessionSize;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's Java client, as it is, against the server. */
@SuppressWarnings("deprecation") // OpenAI ends seed for its own models; others keep it
class OpenAiClientTest {
    private static RunningServer server;
    private static OpenAIClient client;

    @BeforeAll
    static void start(@TempDir Path folder) throws IOException {
        server = RunningServer.start(ServeSettings.DEFAULT, folder);
        client = OpenAIOkHttpClient.builder()
                .baseUrl(server.url("/v1"))
                .apiKey("none is needed")
                .maxRetries(0)
                .build();
    }

    @AfterAll
    static void stop() {
        client.close();
        server.close();
    }

    private static ChatCompletionCreateParams.Builder chat() {
        return ChatCompletionCreateParams.builder()
                .model("tiny")
                .addSystemMessage("trained on this page")
                .addUserMessage("What is a page?")
                .maxCompletionTokens(12)
                .temperature(0);
    }

    /** What the model says to the same conversation without a server. */
    private static Result alone(Settings settings) {
        TextGenerator generator = server.tiny().generator();
        int[] ids = generator
                .tokenizer()
                .encodeIds("<s><|system|>trained on this page</s><|user|>What is a page?</s><|assistant|>", false);
        try (var session = generator.decoder().newSession(SessionSize.forOne(512))) {
            var text = generator.newContinuation(ids, settings.maxTokens(), settings, _ -> true);
            var sequence = session.newSequence();
            session.prefill(sequence, ids, 0, ids.length);
            for (int id = text.pick(session, 0); text.take(id); id = text.pick(session, 0)) {
                session.decode(sequence, id);
            }
            return text.result(0, 0);
        }
    }

    @Test
    void modelsAreListed() {
        assertThat(client.models().list().data().stream().map(model -> model.id()))
                .containsExactly("tiny", "mini", "cross", "demo");
        assertThat(client.models().retrieve("tiny").id()).isEqualTo("tiny");
        assertThatThrownBy(() -> client.models().retrieve("huge")).isInstanceOf(NotFoundException.class);
    }

    @Test
    void chatAnswers() {
        ChatCompletion completion = client.chat().completions().create(chat().build());
        Choice choice = completion.choices().getFirst();
        Result alone = alone(new Settings(12, Sampling.GREEDY, List.of(), Set.of(), false, 0));
        assertThat(choice.message().content()).contains(alone.text());
        assertThat(choice.finishReason()).isEqualTo(Choice.FinishReason.LENGTH);
        assertThat(completion.usage().orElseThrow().completionTokens()).isEqualTo(12);
        assertThat(completion.usage().orElseThrow().promptTokens()).isEqualTo(alone.promptTokens());
    }

    @Test
    void aStreamHasTheSameTextAndUsage() {
        ChatCompletionAccumulator whole = ChatCompletionAccumulator.create();
        List<ChatCompletionChunk> chunks = new ArrayList<>();
        ChatCompletionCreateParams params = chat().seed(5)
                .temperature(1.0)
                .streamOptions(
                        ChatCompletionStreamOptions.builder().includeUsage(true).build())
                .build();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat().completions().createStreaming(params)) {
            stream.stream().forEach(chunk -> {
                whole.accumulate(chunk);
                chunks.add(chunk);
            });
        }
        Result alone = alone(new Settings(12, new Sampling(1, 0, 1, 0, 1, 5), List.of(), Set.of(), false, 0));
        assertThat(whole.chatCompletion().choices().getFirst().message().content())
                .contains(alone.text());
        assertThat(chunks.getLast().usage().orElseThrow().completionTokens()).isEqualTo(12);
        // How many tokens a piece has depends on who is slower; role, text and usage are pieces of their own.
        assertThat(chunks.size()).isGreaterThan(2);
    }

    @Test
    void logProbabilitiesAndStops() {
        ChatCompletion completion = client.chat()
                .completions()
                .create(chat().logprobs(true).topLogprobs(2).build());
        var tokens = completion
                .choices()
                .getFirst()
                .logprobs()
                .orElseThrow()
                .content()
                .orElseThrow();
        Result alone = alone(new Settings(12, Sampling.GREEDY, List.of(), Set.of(), true, 0));
        assertThat(tokens).hasSize(12);
        for (int i = 0; i < 12; i++) {
            assertThat(tokens.get(i).logprob()).isEqualTo(alone.logProbabilities()[i]);
            assertThat(tokens.get(i).topLogprobs()).hasSize(2);
            assertThat(tokens.get(i).topLogprobs().getFirst().token())
                    .isEqualTo(tokens.get(i).token());
        }
        String stop = alone.text().substring(6, 8);
        ChatCompletion stopped =
                client.chat().completions().create(chat().stop(stop).build());
        assertThat(stopped.choices().getFirst().finishReason()).isEqualTo(Choice.FinishReason.STOP);
        assertThat(stopped.choices().getFirst().message().content())
                .contains(alone.text().substring(0, alone.text().indexOf(stop)));
    }

    @Test
    void severalChoicesDifferInTheirSeeds() {
        ChatCompletion completion = client.chat()
                .completions()
                .create(chat().n(3).temperature(1.2).seed(4).build());
        assertThat(completion.choices()).hasSize(3);
        for (int i = 0; i < 3; i++) {
            Sampling sampling = new Sampling(1.2, 0, 1, 0, 1, 4 + i);
            Result alone = alone(new Settings(12, sampling, List.of(), Set.of(), false, 0));
            assertThat(completion.choices().get(i).message().content()).contains(alone.text());
        }
        assertThat(completion.usage().orElseThrow().completionTokens()).isEqualTo(36);
    }

    /** An answer that has a shape. */
    static final class Lock {
        public int chambers;
        public boolean open;
        public Size size;

        enum Size {
            SMALL,
            LARGE
        }
    }

    @Test
    void jsonHasTheSchemaOfAClass() {
        var completion = client.chat()
                .completions()
                .create(chat().maxCompletionTokens(200)
                        .temperature(1)
                        .seed(3)
                        .responseFormat(Lock.class)
                        .build());
        Lock lock = completion.choices().getFirst().message().content().orElseThrow();
        assertThat(lock.size).isNotNull();
    }

    private static FunctionDefinition weather() {
        return FunctionDefinition.builder()
                .name("weather")
                .parameters(FunctionParameters.builder()
                        .putAdditionalProperty("type", JsonValue.from("object"))
                        .putAdditionalProperty(
                                "properties",
                                JsonValue.from(Map.of("city", Map.of("enum", List.of("Colon", "Panama")))))
                        .putAdditionalProperty("required", JsonValue.from(List.of("city")))
                        .putAdditionalProperty("additionalProperties", JsonValue.from(false))
                        .build())
                .build();
    }

    @Test
    void toolsAreCalledAndTheirAnswersRead() {
        ChatCompletionCreateParams.Builder params = chat().addFunctionTool(weather())
                .toolChoice(ChatCompletionToolChoiceOption.Auto.REQUIRED)
                .maxCompletionTokens(200);
        ChatCompletion completion = client.chat().completions().create(params.build());
        Choice choice = completion.choices().getFirst();
        assertThat(choice.finishReason()).isEqualTo(Choice.FinishReason.TOOL_CALLS);
        ChatCompletionMessageFunctionToolCall call =
                choice.message().toolCalls().orElseThrow().getFirst().asFunction();
        assertThat(call.function().name()).isEqualTo("weather");
        assertThat(call.function().arguments()).matches("\\{\"city\":\"(Colon|Panama)\"}");

        ChatCompletionAccumulator whole = ChatCompletionAccumulator.create();
        try (var stream = client.chat().completions().createStreaming(params.build())) {
            stream.stream().forEach(whole::accumulate);
        }
        var streamed = whole.chatCompletion()
                .choices()
                .getFirst()
                .message()
                .toolCalls()
                .orElseThrow()
                .getFirst()
                .asFunction();
        assertThat(streamed.function()).isEqualTo(call.function());

        ChatCompletion answer = client.chat()
                .completions()
                .create(params.addMessage(choice.message())
                        .addMessage(ChatCompletionToolMessageParam.builder()
                                .toolCallId(call.id())
                                .content("rain")
                                .build())
                        .toolChoice(ChatCompletionToolChoiceOption.Auto.AUTO)
                        .maxCompletionTokens(5)
                        .build());
        assertThat(answer.choices().getFirst().message().content()).isPresent();
    }

    @Test
    void completionsGoOnFromTexts() {
        Completion completion = client.completions()
                .create(CompletionCreateParams.builder()
                        .model("tiny")
                        .promptOfArrayOfStrings(List.of("The vocabulary", "random weights of"))
                        .maxTokens(6)
                        .temperature(0)
                        .logprobs(1)
                        .build());
        for (int i = 0; i < 2; i++) {
            Result alone = server.tiny()
                    .generator()
                    .generate(i == 0 ? "The vocabulary" : "random weights of", Settings.DEFAULT.withMaxTokens(6));
            assertThat(completion.choices().get(i).text()).isEqualTo(alone.text());
            assertThat(completion
                            .choices()
                            .get(i)
                            .logprobs()
                            .orElseThrow()
                            .tokenLogprobs()
                            .orElseThrow())
                    .hasSize(6);
        }
    }

    @Test
    void embeddingsAreTheModels() {
        CreateEmbeddingResponse response = client.embeddings()
                .create(EmbeddingCreateParams.builder()
                        .model("mini")
                        .inputOfArrayOfStrings(List.of("hello world", "a lock"))
                        .build());
        assertThat(response.data()).hasSize(2);
        assertThat(response.data().getFirst().embedding()).hasSize(384);
        assertThat(response.data().getFirst().embedding().getFirst()).isCloseTo(-0.034477f, within(1e-5f));
        CreateEmbeddingResponse floats = client.embeddings()
                .create(EmbeddingCreateParams.builder()
                        .model("mini")
                        .input("hello world")
                        .encodingFormat(EmbeddingCreateParams.EncodingFormat.FLOAT)
                        .build());
        assertThat(floats.data().getFirst().embedding())
                .isEqualTo(response.data().getFirst().embedding());
        assertThat(floats.usage().promptTokens()).isEqualTo(4);
    }

    @Test
    void whatIsWrongIsSaid() {
        assertThatThrownBy(() -> client.chat()
                        .completions()
                        .create(chat().temperature(-1.0).build()))
                .isInstanceOf(BadRequestException.class)
                .hasMessageContaining("temperature");
        assertThatThrownBy(() ->
                        client.chat().completions().create(chat().model("huge").build()))
                .isInstanceOf(NotFoundException.class)
                .hasMessageContaining("no model \"huge\"");
        assertThatThrownBy(() ->
                        client.chat().completions().create(chat().model("mini").build()))
                .isInstanceOf(BadRequestException.class)
                .hasMessageContaining("for embedding, not for chat");
        assertThatThrownBy(() -> client.chat()
                        .completions()
                        .create(chat().addUserMessage("page ".repeat(2000)).build()))
                .isInstanceOf(BadRequestException.class)
                .hasMessageContaining("tokens: it has to be 1 to 1023");
    }
}
