package dev.gatun.springai;

import dev.gatun.model.InputException;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TextGeneration.End;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.SystemMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.chat.metadata.ChatGenerationMetadata;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.model.tool.ToolCallingChatOptions;

/** What a prompt of Spring AI is for a {@link TextGenerator}, and what its result is there. */
final class Prompts {
    private final TextGenerator generator;
    private final Settings defaults;

    Prompts(TextGenerator generator, Settings defaults) {
        if (generator.chatTemplate() == null) {
            throw new InputException("the model has no chat template: it cannot answer messages");
        }
        this.generator = generator;
        this.defaults = defaults;
    }

    GatunChatOptions defaultOptions() {
        Sampling sampling = defaults.sampling();
        return GatunChatOptions.builder()
                .maxTokens(defaults.maxTokens())
                .stopSequences(defaults.stopStrings())
                .temperature(sampling.temperature())
                .topK(sampling.topK())
                .topP(sampling.topP())
                .seed(sampling.seed())
                .build();
    }

    /** The whole answer. */
    ChatResponse answer(Prompt prompt, Listener listener) {
        Result result = run(prompt, listener);
        return response(result.text(), result);
    }

    /** What comes after the pieces that {@code listener} was told. */
    ChatResponse stream(Prompt prompt, Listener listener) {
        return response("", run(prompt, listener));
    }

    private Result run(Prompt prompt, Listener listener) {
        List<Message> messages =
                prompt.getInstructions().stream().map(Prompts::message).toList();
        ChatOptions options = prompt.getOptions();
        return generator.answer(messages, options == null ? defaults : settings(options), listener);
    }

    private Settings settings(ChatOptions options) {
        refuse(options.getModel() != null, "another model");
        refuse(options.getFrequencyPenalty() != null, "frequencyPenalty");
        refuse(options.getPresencePenalty() != null, "presencePenalty");
        if (options instanceof ToolCallingChatOptions calling) {
            refuse(
                    calling.getToolCallbacks() != null
                            && !calling.getToolCallbacks().isEmpty(),
                    "tools");
        }
        Sampling given = defaults.sampling();
        var sampling = new Sampling(
                or(options.getTemperature(), given.temperature()),
                or(options.getTopK(), given.topK()),
                or(options.getTopP(), given.topP()),
                given.minP(),
                given.repetitionPenalty(),
                options instanceof GatunChatOptions ours ? or(ours.getSeed(), given.seed()) : given.seed());
        return new Settings(
                or(options.getMaxTokens(), defaults.maxTokens()),
                sampling,
                or(options.getStopSequences(), defaults.stopStrings()),
                defaults.stopIds(),
                defaults.logProbabilities(),
                defaults.lookup(),
                defaults.constraint(),
                defaults.draft());
    }

    private static <T> T or(@Nullable T value, T fallback) {
        return value != null ? value : fallback;
    }

    private static void refuse(boolean present, String what) {
        if (present) {
            throw new UnsupportedOperationException("Gatun: " + what + ": not supported in prompts");
        }
    }

    private static Message message(org.springframework.ai.chat.messages.Message message) {
        String role = switch (message) {
            case SystemMessage _ -> "system";
            case UserMessage user -> {
                refuse(!user.getMedia().isEmpty(), "media");
                yield "user";
            }
            case AssistantMessage answer -> {
                refuse(answer.hasToolCalls(), "a call of a tool");
                refuse(!answer.getMedia().isEmpty(), "media");
                yield "assistant";
            }
            default ->
                throw new UnsupportedOperationException(
                        "Gatun: a message of type " + message.getMessageType() + ": not supported in prompts");
        };
        return new Message(role, or(message.getText(), ""));
    }

    /** Text of an answer that goes on. */
    static ChatResponse piece(String text) {
        return new ChatResponse(List.of(new Generation(new AssistantMessage(text))));
    }

    private static ChatResponse response(String text, Result result) {
        var generation = ChatGenerationMetadata.builder()
                .finishReason(result.end() == End.LENGTH ? "LENGTH" : "STOP")
                .build();
        var metadata = ChatResponseMetadata.builder()
                .usage(new DefaultUsage(result.promptTokens(), result.ids().length))
                .build();
        return new ChatResponse(List.of(new Generation(new AssistantMessage(text), generation)), metadata);
    }
}
