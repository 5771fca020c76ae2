package dev.gatun.springai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.model.InputException;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.gatun.model.weights.ModelFolder;
import dev.gatun.ops.Backend;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.SystemMessage;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.content.Media;
import org.springframework.ai.document.Document;
import org.springframework.ai.embedding.EmbeddingOptions;
import org.springframework.ai.embedding.EmbeddingRequest;
import org.springframework.ai.embedding.EmbeddingResponse;
import org.springframework.ai.tool.function.FunctionToolCallback;
import org.springframework.ai.vectorstore.SearchRequest;
import org.springframework.ai.vectorstore.SimpleVectorStore;
import org.springframework.util.MimeTypeUtils;
import reactor.core.scheduler.Schedulers;
import reactor.test.StepVerifier;

class SpringAiTest {
    private static final Path REPOSITORY = Path.of("../..");
    private static final Path LLAMA = REPOSITORY.resolve("golden/spm/llama-spm.gguf");
    private static final Settings SHORT = Settings.DEFAULT.withMaxTokens(6);
    private static final List<String> TEXTS = List.of("a lock lifts ships", "the lake", "I love you");

    /** As SHORT's generator reads a conversation. */
    private static final List<Message> CONVERSATION =
            List.of(new Message("system", "Be short."), new Message("user", "What is a lock?"));

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

    /** An encoder of the reference data with the tokenizer of the model's tests. */
    private TextEmbedder embedder() throws IOException {
        try (Stream<Path> files = Files.list(REPOSITORY.resolve("golden/models/bert"))) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        Files.copy(
                REPOSITORY.resolve("model/src/test/resources/dev/gatun/model/tasks/tokenizer.json"),
                folder.resolve("tokenizer.json"));
        return TextEmbedder.open(ModelFolder.of(folder), backend);
    }

    @Test
    void vectorsAreTheEmbedders() throws IOException {
        try (TextEmbedder embedder = embedder()) {
            var model = new GatunEmbeddingModel(embedder);
            assertThat(model.dimensions()).isEqualTo(embedder.dimensions());
            EmbeddingResponse response = model.embedForResponse(TEXTS);
            for (int i = 0; i < TEXTS.size(); i++) {
                float[] expected = embedder.embed(TEXTS.get(i));
                assertThat(response.getResults().get(i).getOutput()).isEqualTo(expected);
                assertThat(response.getResults().get(i).getIndex()).isEqualTo(i);
                assertThat(model.embed(TEXTS.get(i))).isEqualTo(expected);
                assertThat(model.embed(new Document(TEXTS.get(i)))).isEqualTo(expected);
            }
            assertThat(response.getMetadata().getUsage().getPromptTokens())
                    .isEqualTo(TEXTS.stream().mapToInt(embedder::countTokens).sum());
        }
    }

    @Test
    void aVectorStoreFindsWhatIsThere() throws IOException {
        try (TextEmbedder embedder = embedder()) {
            SimpleVectorStore store =
                    SimpleVectorStore.builder(new GatunEmbeddingModel(embedder)).build();
            store.add(TEXTS.stream().map(Document::new).toList());
            for (String text : TEXTS) {
                List<Document> found = store.similaritySearch(
                        SearchRequest.builder().query(text).topK(1).build());
                assertThat(found).extracting(Document::getText).containsExactly(text);
            }
        }
    }

    @Test
    void anEmbedderRefusesAnotherModelAndOtherDimensions() throws IOException {
        try (TextEmbedder embedder = embedder()) {
            var model = new GatunEmbeddingModel(embedder);
            int d = embedder.dimensions();
            assertThat(model.call(new EmbeddingRequest(
                                    TEXTS,
                                    EmbeddingOptions.builder().dimensions(d).build()))
                            .getResults())
                    .hasSize(TEXTS.size());
            assertThatThrownBy(() -> model.call(new EmbeddingRequest(
                            TEXTS, EmbeddingOptions.builder().dimensions(d + 1).build())))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessage("Gatun: dimensions " + (d + 1) + ": the model's vectors have " + d);
            assertThatThrownBy(() -> model.call(new EmbeddingRequest(
                            TEXTS, EmbeddingOptions.builder().model("other").build())))
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageContaining("model other");
        }
    }

    private static String text(ChatResponse response) {
        return Objects.requireNonNull(
                Objects.requireNonNull(response.getResult()).getOutput().getText());
    }

    @Test
    void answersAreTheGenerators() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            Result expected = generator.answer(CONVERSATION, SHORT, Listener.NONE);
            ChatClient client = ChatClient.create(new GatunChatModel(generator, SHORT));
            ChatResponse response = client.prompt()
                    .system("Be short.")
                    .user("What is a lock?")
                    .call()
                    .chatResponse();
            assertThat(text(response)).isEqualTo(expected.text());
            assertThat(response.getMetadata().getUsage().getPromptTokens()).isEqualTo(expected.promptTokens());
            assertThat(response.getMetadata().getUsage().getCompletionTokens()).isEqualTo(6);
            assertThat(response.getResult().getMetadata().getFinishReason()).isEqualTo("LENGTH");
        }
    }

    @Test
    void anAnswerIsAsItsOptionsSay() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            var model = new GatunChatModel(generator, SHORT);
            ChatClient client = ChatClient.create(model);
            ChatResponse two = client.prompt("What is a lock?")
                    .options(ChatOptions.builder().maxTokens(2))
                    .call()
                    .chatResponse();
            assertThat(two.getMetadata().getUsage().getCompletionTokens()).isEqualTo(2);

            String greedy = text(model.call(new Prompt("What is a lock?")));
            String stop = greedy.substring(2, 4);
            ChatResponse stopped = model.call(new Prompt(
                    "What is a lock?",
                    ChatOptions.builder().stopSequences(List.of(stop)).build()));
            assertThat(text(stopped)).isEqualTo(greedy.substring(0, greedy.indexOf(stop)));
            assertThat(stopped.getResult().getMetadata().getFinishReason()).isEqualTo("STOP");

            GatunChatOptions hot = GatunChatOptions.builder()
                    .temperature(1.5)
                    .topK(50)
                    .topP(0.9)
                    .seed(7L)
                    .build();
            String first = text(model.call(new Prompt("What is a lock?", hot)));
            assertThat(text(model.call(new Prompt("What is a lock?", hot)))).isEqualTo(first);
            assertThat(text(client.prompt("What is a lock?")
                            .options(hot.mutate())
                            .call()
                            .chatResponse()))
                    .isEqualTo(first);
            assertThat(text(model.call(
                            new Prompt("What is a lock?", hot.mutate().seed(8L).build()))))
                    .isNotEqualTo(first);
        }
    }

    @Test
    void optionsAreValues() {
        GatunChatOptions options =
                GatunChatOptions.builder().topP(0.5).seed(3L).maxTokens(9).build();
        assertThat(options.mutate().build()).isEqualTo(options).hasSameHashCodeAs(options);
        assertThat(options.mutate().clone().build()).isEqualTo(options);
        assertThat(options.mutate().seed(4L).build()).isNotEqualTo(options);
        GatunChatOptions combined = GatunChatOptions.builder()
                .topP(0.1)
                .temperature(2.0)
                .combineWith(options.mutate())
                .build();
        assertThat(combined.getTopP()).isEqualTo(0.5);
        assertThat(combined.getTemperature()).isEqualTo(2.0);
        assertThat(combined.getSeed()).isEqualTo(3);
    }

    @Test
    void whatIsNotThereIsRefused() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            var model = new GatunChatModel(generator, SHORT);
            var time = FunctionToolCallback.builder("time", () -> "noon").build();
            assertThatThrownBy(() -> ChatClient.create(model)
                            .prompt("When?")
                            .tools(time)
                            .call()
                            .content())
                    .isInstanceOf(UnsupportedOperationException.class)
                    .hasMessage("Gatun: tools: not supported in prompts");
            var picture = new Media(MimeTypeUtils.IMAGE_PNG, URI.create("file:x.png"));
            for (Prompt prompt : List.of(
                    new Prompt("a", ChatOptions.builder().model("other").build()),
                    new Prompt("a", ChatOptions.builder().frequencyPenalty(1.0).build()),
                    new Prompt("a", ChatOptions.builder().presencePenalty(1.0).build()),
                    new Prompt(ToolResponseMessage.builder().build()),
                    new Prompt(UserMessage.builder().text("a").media(picture).build()))) {
                assertThatThrownBy(() -> model.call(prompt))
                        .isInstanceOf(UnsupportedOperationException.class)
                        .hasMessageContaining("not supported in prompts");
                StepVerifier.create(model.stream(prompt)).verifyError(UnsupportedOperationException.class);
            }
            assertThatThrownBy(() -> model.call(new Prompt(new UserMessage("a"), new AssistantMessage("b"))))
                    .isInstanceOf(InputException.class)
                    .hasMessage("the last message is the assistant's: must be the user's");
            assertThatThrownBy(() -> model.call(new Prompt(List.of())))
                    .isInstanceOf(InputException.class)
                    .hasMessage("no messages: the last must be the user's");
            assertThatThrownBy(() -> model.call("word ".repeat(5000))).isInstanceOf(InputException.class);
        }
    }

    @Test
    void anAnswerComesInPieces() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            var model = new GatunChatModel(generator, SHORT);
            Result expected = generator.answer(CONVERSATION, SHORT, Listener.NONE);
            var prompt = new Prompt(new SystemMessage("Be short."), new UserMessage("What is a lock?"));
            StepVerifier.create(model.stream(prompt), 1) // and more as it is asked for
                    .recordWith(ArrayList::new)
                    .thenRequest(Long.MAX_VALUE)
                    .thenConsumeWhile(piece -> true)
                    .consumeRecordedWith(pieces -> {
                        ChatResponse last = List.copyOf(pieces).getLast();
                        assertThat(last.getMetadata().getUsage().getPromptTokens())
                                .isEqualTo(expected.promptTokens());
                        assertThat(last.getMetadata().getUsage().getCompletionTokens())
                                .isEqualTo(6);
                        assertThat(last.getResult().getMetadata().getFinishReason())
                                .isEqualTo("LENGTH");
                        assertThat(pieces.size()).isGreaterThan(2);
                        assertThat(pieces.stream().map(SpringAiTest::text).collect(Collectors.joining()))
                                .isEqualTo(expected.text());
                    })
                    .verifyComplete();
            assertThat(ChatClient.create(model).prompt().system("Be short.").user("What is a lock?").stream()
                            .content()
                            .collectList()
                            .map(pieces -> String.join("", pieces))
                            .block())
                    .isEqualTo(expected.text());
        }
    }

    @Test
    void whoCancelsEndsTheText() throws IOException {
        try (TextGenerator generator = TextGenerator.open(LLAMA, backend)) {
            var scheduler = Schedulers.newSingle("gatun-chat");
            var model = new GatunChatModel(generator, Settings.DEFAULT.withMaxTokens(2000), scheduler);
            StepVerifier.create(model.stream(new Prompt("What is a lock?")))
                    .expectNextCount(1)
                    .thenCancel()
                    .verify();
            scheduler.disposeGracefully().block(); // waits for the text, which has ended or has a long way to go
            assertThat(scheduler.isDisposed()).isTrue();
        }
    }
}
