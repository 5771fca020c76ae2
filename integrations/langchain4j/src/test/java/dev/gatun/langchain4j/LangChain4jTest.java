package dev.gatun.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.InputException;
import dev.gatun.model.Reranker;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.embedding.Embedding;
import dev.langchain4j.data.image.Image;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.scoring.ScoringModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LangChain4jTest {
    private static final Path REPOSITORY = Path.of("../..");
    private static final Path LLAMA = REPOSITORY.resolve("golden/spm/llama-spm.gguf");
    private static final Settings SHORT = Settings.DEFAULT.withMaxTokens(6);
    private static final List<String> TEXTS = List.of("a lock lifts ships", "the lake", "I love you");

    @TempDir
    private Path folder;

    private Backend backend;

    @BeforeEach
    void open() {
        backend = Backend.open(new Backend.Options(Backend.Kind.VECTOR, 1, null));
    }

    @AfterEach
    void close() {
        backend.close();
    }

    /** A model of the reference data with the tokenizer of the model's tests. */
    private ModelFolder golden(String name) throws IOException {
        try (Stream<Path> files = Files.list(REPOSITORY.resolve("golden/models").resolve(name))) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        Files.copy(
                REPOSITORY.resolve("model/src/test/resources/dev/gatun/model/tasks/tokenizer.json"),
                folder.resolve("tokenizer.json"));
        return ModelFolder.of(folder);
    }

    private static List<TextSegment> segments() {
        return TEXTS.stream().map(TextSegment::from).toList();
    }

    @Test
    void vectorsAreTheEmbedders() throws IOException {
        try (TextEmbedder embedder = TextEmbedder.open(golden("bert"), backend)) {
            EmbeddingModel model = new GatunEmbeddingModel(embedder);
            assertThat(model.dimension()).isEqualTo(embedder.dimensions());
            Response<List<Embedding>> all = model.embedAll(segments());
            for (int i = 0; i < TEXTS.size(); i++) {
                float[] expected = embedder.embed(TEXTS.get(i));
                assertThat(all.content().get(i).vector()).isEqualTo(expected);
                assertThat(model.embed(TEXTS.get(i)).content().vector()).isEqualTo(expected);
            }
            assertThat(all.tokenUsage().inputTokenCount())
                    .isEqualTo(TEXTS.stream().mapToInt(embedder::countTokens).sum());
        }
    }

    @Test
    void scoresAreTheRerankers() throws IOException {
        try (Reranker reranker = Reranker.open(golden("bert-classify"), backend)) {
            ScoringModel model = new GatunScoringModel(reranker);
            List<Double> scores = model.scoreAll(segments(), "who lifts").content();
            float[] expected = reranker.scores("who lifts", TEXTS);
            assertThat(scores).hasSize(TEXTS.size());
            for (int i = 0; i < TEXTS.size(); i++) {
                assertThat(scores.get(i)).isEqualTo(expected[i]);
            }
        }
    }

    private static ChatRequest.Builder conversation() {
        return ChatRequest.builder()
                .messages(
                        SystemMessage.from("Be short."),
                        UserMessage.from("What is a lock?"),
                        AiMessage.from("A lift."),
                        UserMessage.from("For whom?"));
    }

    @Test
    void answersAreTheGenerators() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            ChatModel model = new GatunChatModel(generator, SHORT);
            ChatResponse response = model.chat(conversation().build());
            try (var chat = generator.newChat(256)) {
                chat.add(new Message("system", "Be short."));
                chat.add(new Message("user", "What is a lock?"));
                chat.add(new Message("assistant", "A lift."));
                var expected = chat.say("For whom?", SHORT, text -> true);
                assertThat(response.aiMessage().text()).isEqualTo(expected.text());
                assertThat(response.tokenUsage().inputTokenCount()).isEqualTo(expected.promptTokens());
                assertThat(response.tokenUsage().outputTokenCount()).isEqualTo(6);
                assertThat(response.finishReason()).isEqualTo(FinishReason.LENGTH);
            }
            ChatResponse shorter = model.chat(conversation().maxOutputTokens(2).build());
            assertThat(shorter.tokenUsage().outputTokenCount()).isEqualTo(2);
            String hot = model.chat(
                            conversation().temperature(1.5).topK(50).topP(0.9).build())
                    .aiMessage()
                    .text();
            assertThat(hot)
                    .isEqualTo(model.chat(conversation()
                                    .temperature(1.5)
                                    .topK(50)
                                    .topP(0.9)
                                    .build())
                            .aiMessage()
                            .text()); // by the seed of the settings
        }
    }

    @Test
    void whatIsNotThereIsRefused() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            ChatModel model = new GatunChatModel(generator, SHORT);
            var tool = ToolSpecification.builder().name("time").build();
            var image = UserMessage.from(
                    ImageContent.from(Image.builder().url("file:x.png").build()));
            for (ChatRequest request : List.of(
                    conversation().toolSpecifications(tool).build(),
                    conversation().responseFormat(ResponseFormat.JSON).build(),
                    conversation().presencePenalty(1.0).build(),
                    conversation().frequencyPenalty(1.0).build(),
                    conversation().modelName("other").build(),
                    ChatRequest.builder().messages(image).build())) {
                assertThatThrownBy(() -> model.chat(request))
                        .isInstanceOf(UnsupportedFeatureException.class)
                        .hasMessageContaining("not supported");
            }
            assertThatThrownBy(() -> model.chat(ChatRequest.builder()
                            .messages(UserMessage.from("a"), AiMessage.from("b"))
                            .build()))
                    .isInstanceOf(InputException.class)
                    .hasMessage("the last message is the assistant's: must be the user's");
            assertThatThrownBy(() -> model.chat("word ".repeat(5000))).isInstanceOf(InputException.class);
        }
    }

    /** Keeps what it is told. */
    private static class Told implements StreamingChatResponseHandler {
        final StringBuilder text = new StringBuilder();
        final CompletableFuture<ChatResponse> response = new CompletableFuture<>();

        @Override
        public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
            text.append(partial.text());
        }

        @Override
        public void onCompleteResponse(ChatResponse complete) {
            response.complete(complete);
        }

        @Override
        public void onError(Throwable error) {
            response.completeExceptionally(error);
        }
    }

    @Test
    void anAnswerComesInPieces() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            StreamingChatModel model = new GatunStreamingChatModel(generator, SHORT);
            var told = new Told();
            model.chat(conversation().build(), told);
            ChatResponse response = told.response.join();
            assertThat(told.text.toString()).isEqualTo(response.aiMessage().text());
            assertThat(response.aiMessage().text())
                    .isEqualTo(new GatunChatModel(generator, SHORT)
                            .chat(conversation().build())
                            .aiMessage()
                            .text());
            var refused = new Told();
            model.chat("word ".repeat(5000), refused);
            assertThatThrownBy(refused.response::join).hasCauseInstanceOf(InputException.class);
        }
    }

    @Test
    void whoCancelsIsToldNothingMore() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            var pieces = new AtomicInteger();
            var cancelled = new Told() {
                @Override
                public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
                    pieces.incrementAndGet();
                    context.streamingHandle().cancel();
                }
            };
            var other = new Told();
            try (var requests = Executors.newVirtualThreadPerTaskExecutor()) { // its end waits for them
                StreamingChatModel model = new GatunStreamingChatModel(generator, SHORT, requests);
                model.chat(conversation().build(), cancelled);
                model.chat(conversation().build(), other);
            }
            assertThat(pieces).hasValue(1);
            assertThat(cancelled.response).isNotDone();
            assertThat(other.response).isCompleted();
        }
    }
}
