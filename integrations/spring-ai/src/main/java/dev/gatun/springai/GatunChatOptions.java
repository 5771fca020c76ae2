package dev.gatun.springai;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.model.tool.DefaultToolCallingChatOptions;
import org.springframework.ai.tool.ToolCallback;

/**
 * What a prompt may ask of a {@link GatunChatModel}: Spring AI's options and a seed. What is null is as the model's settings say. They
 * hold tools because a ChatClient drops those silently where options cannot: so they reach the model, which refuses them.
 */
public final class GatunChatOptions extends DefaultToolCallingChatOptions {
    private final @Nullable Long seed;

    private GatunChatOptions(
            @Nullable List<ToolCallback> tools,
            @Nullable Map<String, Object> toolContext,
            ChatOptions plain,
            @Nullable Long seed) {
        super(
                tools,
                toolContext,
                plain.getModel(),
                plain.getFrequencyPenalty(),
                plain.getMaxTokens(),
                plain.getPresencePenalty(),
                plain.getStopSequences(),
                plain.getTemperature(),
                plain.getTopK(),
                plain.getTopP());
        this.seed = seed;
    }

    /** Options to be, all null. */
    public static Builder builder() {
        return new Builder();
    }

    /** Of the draws: the same seed, the same text. */
    public @Nullable Long getSeed() {
        return seed;
    }

    @Override
    public Builder mutate() {
        return builder()
                .model(getModel())
                .frequencyPenalty(getFrequencyPenalty())
                .maxTokens(getMaxTokens())
                .presencePenalty(getPresencePenalty())
                .stopSequences(getStopSequences())
                .temperature(getTemperature())
                .topK(getTopK())
                .topP(getTopP())
                .toolCallbacks(getToolCallbacks())
                .toolContext(getToolContext())
                .seed(seed);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return super.equals(other) && other instanceof GatunChatOptions that && Objects.equals(seed, that.seed);
    }

    @Override
    public int hashCode() {
        return Objects.hash(super.hashCode(), seed);
    }

    /** Gathers options, as Spring AI's builders do. */
    public static final class Builder extends DefaultToolCallingChatOptions.Builder<Builder> {
        private @Nullable Long seed;

        private Builder() {}

        /** Of the draws; null for the model's own. */
        public Builder seed(@Nullable Long newSeed) {
            seed = newSeed;
            return this;
        }

        @Override
        public Builder combineWith(ChatOptions.Builder<?> other) {
            super.combineWith(other);
            if (other instanceof Builder that && that.seed != null) {
                seed = that.seed;
            }
            return this;
        }

        @Override
        public GatunChatOptions build() {
            return new GatunChatOptions(toolCallbacks, toolContext, super.build(), seed);
        }
    }
}
