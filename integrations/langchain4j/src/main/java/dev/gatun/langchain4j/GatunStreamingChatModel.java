package dev.gatun.langchain4j;

import dev.gatun.model.TextGenerator;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.util.concurrent.Executor;

/** As {@link GatunChatModel}, telling the answer as it comes: on the thread that writes it. */
public final class GatunStreamingChatModel implements StreamingChatModel {
    private final ChatCalls calls;
    private final Executor executor;

    /**
     * Uses {@code generator}, which its owner closes, after the last answer. Each request runs on a virtual thread.
     *
     * @param settings of a request that does not say otherwise
     * @throws dev.gatun.model.InputException if the model has no chat template
     */
    public GatunStreamingChatModel(TextGenerator generator, Settings settings) {
        this(
                generator,
                settings,
                request -> Thread.ofVirtual().name("gatun-chat").start(request));
    }

    /**
     * As the other, where the caller says what requests run on, and so can wait for them.
     *
     * @param executor which its owner closes, before the generator
     */
    public GatunStreamingChatModel(TextGenerator generator, Settings settings, Executor executor) {
        this.calls = new ChatCalls(generator, settings);
        this.executor = executor;
    }

    /**
     * Returns at once. What {@link GatunChatModel#doChat} would throw the handler is told as an error; so is what it throws itself. Who
     * cancels is told nothing more.
     */
    @Override
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        executor.execute(() -> answer(request, handler));
    }

    private void answer(ChatRequest request, StreamingChatResponseHandler handler) {
        var handle = new Handle();
        try {
            ChatResponse response = calls.answer(request, text -> {
                handler.onPartialResponse(new PartialResponse(text), new PartialResponseContext(handle));
                return !handle.isCancelled();
            });
            if (!handle.isCancelled()) {
                handler.onCompleteResponse(response);
            }
        } catch (RuntimeException | Error e) {
            handler.onError(e);
        }
    }

    /** Ends the text before its next token. */
    private static final class Handle implements StreamingHandle {
        private volatile boolean cancelled;

        @Override
        public void cancel() {
            cancelled = true;
        }

        @Override
        public boolean isCancelled() {
            return cancelled;
        }
    }
}
