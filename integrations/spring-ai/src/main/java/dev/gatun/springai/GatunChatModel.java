package dev.gatun.springai;

import dev.gatun.model.TextGenerator;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Settings;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import reactor.core.publisher.Flux;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;

/**
 * Answers by a {@link TextGenerator} whose model has a chat template, whole or as they come. Thread-safe: each prompt has a session of
 * its own.
 *
 * <pre>{@code
 * try (Backend backend = Backend.open(Backend.Options.defaults());
 *         TextGenerator generator = TextGenerator.open(Path.of("SmolLM2-135M-Instruct.Q4_1.gguf"), backend)) {
 *     ChatClient client = ChatClient.create(new GatunChatModel(generator, Settings.DEFAULT));
 *     String answer = client.prompt("What is a lock?").call().content();
 * }
 * }</pre>
 *
 * <p>A prompt's options may be any of Spring AI's, or {@link GatunChatOptions}, which have a seed as well. A temperature, top-k, top-p,
 * limit, stop sequences and a seed are done; a model's name, penalties and tools are refused, and so are media and tools' messages.
 */
public final class GatunChatModel implements ChatModel {
    private final Prompts prompts;
    private final Scheduler scheduler;

    /**
     * Uses {@code generator}, which its owner closes. Streams run on Reactor's {@link Schedulers#boundedElastic()}.
     *
     * @param settings of a prompt that does not say otherwise
     * @throws dev.gatun.model.InputException if the model has no chat template
     */
    public GatunChatModel(TextGenerator generator, Settings settings) {
        this(generator, settings, Schedulers.boundedElastic());
    }

    /**
     * As the other, where the caller says what streams run on, and so can wait for those that were cancelled.
     *
     * @param scheduler which its owner disposes of, before the generator is closed; may be blocked
     */
    public GatunChatModel(TextGenerator generator, Settings settings, Scheduler scheduler) {
        this.prompts = new Prompts(generator, settings);
        this.scheduler = scheduler;
    }

    /** The settings that this model was made with. */
    @Override
    public ChatOptions getOptions() {
        return prompts.defaultOptions();
    }

    /**
     * One answer, with its usage and finish reason (STOP or LENGTH) in the metadata.
     *
     * @throws UnsupportedOperationException if the prompt asks for what is not there
     * @throws dev.gatun.model.InputException if the conversation is longer than the context, or does not end with the user
     */
    @Override
    public ChatResponse call(Prompt prompt) {
        return prompts.answer(prompt, Listener.NONE);
    }

    /**
     * An answer as it comes, once for each subscriber: a piece of text each, then one without text that has the usage and the finish
     * reason. What {@link #call} throws is an error of the stream. Who cancels ends the text before its next token; who is slow finds
     * it gathered.
     */
    @Override
    public Flux<ChatResponse> stream(Prompt prompt) {
        return Flux.<ChatResponse>create(sink -> {
                    try {
                        ChatResponse end = prompts.stream(prompt, text -> {
                            sink.next(Prompts.piece(text));
                            return !sink.isCancelled();
                        });
                        sink.next(end);
                        sink.complete();
                    } catch (RuntimeException | Error e) {
                        sink.error(e);
                    }
                })
                // The thread that writes is not there to be asked for more.
                .subscribeOn(scheduler, false);
    }
}
