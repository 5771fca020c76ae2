package dev.gatun.langchain4j;

import dev.gatun.model.TextGenerator;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;

/**
 * Answers by a {@link TextGenerator} whose model has a chat template. Thread-safe: each request has a session of its own.
 *
 * <pre>{@code
 * try (Backend backend = Backend.open(Backend.Options.defaults());
 *         TextGenerator generator = TextGenerator.open(Path.of("SmolLM2-135M-Instruct.Q4_1.gguf"), backend)) {
 *     ChatModel model = new GatunChatModel(generator, Settings.DEFAULT);
 *     String answer = model.chat("What is a lock?");
 * }
 * }</pre>
 */
public final class GatunChatModel implements ChatModel {
    private final ChatCalls calls;

    /**
     * Uses {@code generator}, which its owner closes.
     *
     * @param settings of a request that does not say otherwise: a temperature, top-p, top-k, a limit or stop strings
     * @throws dev.gatun.model.InputException if the model has no chat template
     */
    public GatunChatModel(TextGenerator generator, Settings settings) {
        this.calls = new ChatCalls(generator, settings);
    }

    /**
     * One answer.
     *
     * @throws dev.langchain4j.exception.UnsupportedFeatureException if the request has tools, media, a response format or penalties
     * @throws dev.gatun.model.InputException if the conversation is longer than the model's context
     */
    @Override
    public ChatResponse doChat(ChatRequest request) {
        return calls.answer(request, Listener.NONE);
    }
}
