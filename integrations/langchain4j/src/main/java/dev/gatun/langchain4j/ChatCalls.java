package dev.gatun.langchain4j;

import dev.gatun.model.InputException;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.TextGenerator.Message;
import dev.gatun.model.generate.Sampling;
import dev.gatun.model.generate.TextGeneration.End;
import dev.gatun.model.generate.TextGeneration.Listener;
import dev.gatun.model.generate.TextGeneration.Result;
import dev.gatun.model.generate.TextGeneration.Settings;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a request of LangChain4j is for a {@link TextGenerator}, and what its result is there. */
final class ChatCalls {
    private final TextGenerator generator;
    private final Settings defaults;

    ChatCalls(TextGenerator generator, Settings defaults) {
        if (generator.chatTemplate() == null) {
            throw new InputException("the model has no chat template: it cannot answer messages");
        }
        this.generator = generator;
        this.defaults = defaults;
    }

    ChatResponse answer(ChatRequest request, Listener listener) {
        refuseWhatIsMissing(request);
        List<Message> messages =
                request.messages().stream().map(ChatCalls::message).toList();
        return response(generator.answer(messages, settings(request), listener));
    }

    private static void refuseWhatIsMissing(ChatRequest request) {
        refuse(
                request.toolSpecifications() != null
                        && !request.toolSpecifications().isEmpty(),
                "tools");
        refuse(
                request.responseFormat() != null && request.responseFormat().type() != ResponseFormatType.TEXT,
                "response format JSON");
        refuse(request.frequencyPenalty() != null, "frequencyPenalty");
        refuse(request.presencePenalty() != null, "presencePenalty");
        refuse(request.modelName() != null, "modelName, as there is one model,");
    }

    private static void refuse(boolean present, String what) {
        if (present) {
            throw new UnsupportedFeatureException("Gatun: " + what + " is not supported in chat requests");
        }
    }

    private static Message message(ChatMessage message) {
        return switch (message) {
            case SystemMessage system -> new Message("system", system.text());
            case UserMessage user -> {
                refuse(!user.hasSingleText(), "a message of more than one text, or of media,");
                yield new Message("user", user.singleText());
            }
            case AiMessage answer -> {
                refuse(answer.hasToolExecutionRequests(), "a tool's call");
                yield new Message("assistant", answer.text());
            }
            default ->
                throw new UnsupportedFeatureException("Gatun: messages of " + message.type() + " are not supported");
        };
    }

    private Settings settings(ChatRequest request) {
        Sampling given = defaults.sampling();
        var sampling = new Sampling(
                or(request.temperature(), given.temperature()),
                or(request.topK(), given.topK()),
                or(request.topP(), given.topP()),
                given.minP(),
                given.repetitionPenalty(),
                given.seed());
        List<String> stop = request.stopSequences();
        return new Settings(
                or(request.maxOutputTokens(), defaults.maxTokens()),
                sampling,
                stop == null || stop.isEmpty() ? defaults.stopStrings() : stop,
                defaults.stopIds(),
                defaults.logProbabilities(),
                defaults.lookup(),
                defaults.constraint(),
                defaults.draft());
    }

    private static <T> T or(@Nullable T value, T fallback) {
        return value != null ? value : fallback;
    }

    private static ChatResponse response(Result result) {
        return ChatResponse.builder()
                .aiMessage(AiMessage.from(result.text()))
                .tokenUsage(new TokenUsage(result.promptTokens(), result.ids().length))
                .finishReason(result.end() == End.LENGTH ? FinishReason.LENGTH : FinishReason.STOP)
                .build();
    }
}
