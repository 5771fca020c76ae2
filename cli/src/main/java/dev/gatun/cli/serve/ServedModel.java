package dev.gatun.cli.serve;

import dev.gatun.cli.serve.engine.EmbeddingEngine;
import dev.gatun.cli.serve.engine.Gate;
import dev.gatun.cli.serve.engine.TextEngine;
import dev.gatun.model.InputException;
import dev.gatun.model.Reranker;
import dev.gatun.model.TextEmbedder;
import dev.gatun.model.TextGenerator;
import dev.gatun.model.Translator;
import dev.gatun.model.template.ChatTemplate;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** A model that is served, under a name. Whoever opened it closes it, and then what it is made of. */
public sealed interface ServedModel extends AutoCloseable {
    /** What clients call it. */
    String name();

    /** What it does, in a word. */
    String kind();

    /** Stops what it is doing, and tells those who wait. */
    default void end() {}

    @Override
    void close();

    /**
     * Goes on from texts.
     *
     * @param template how conversations are written; null if the model knows none
     */
    record Texts(
            String name,
            TextGenerator generator,
            TextEngine engine,
            @Nullable ChatTemplate template) implements ServedModel {
        /** Ids of a text; {@code special} adds what the tokenizer puts around texts. */
        int[] encode(String text, boolean special) {
            try {
                return generator.tokenizer().encodeIds(text, special);
            } catch (IllegalArgumentException e) { // too long, or a lone surrogate
                throw new InputException(String.valueOf(e.getMessage()));
            }
        }

        /** What a token adds to a text; a part of a character is U+FFFD. */
        String textOf(int id) {
            return new String(bytesOf(id), StandardCharsets.UTF_8);
        }

        byte[] bytesOf(int id) {
            return generator.tokenizer().tokenBytes().bytesOf(id);
        }

        @Override
        public String kind() {
            return template == null ? "completion" : "chat";
        }

        @Override
        public void end() {
            engine.close();
        }

        @Override
        public void close() {
            engine.close();
            generator.close();
        }
    }

    /** Makes vectors of texts. */
    record Vectors(String name, TextEmbedder embedder, EmbeddingEngine engine) implements ServedModel {
        @Override
        public String kind() {
            return "embedding";
        }

        @Override
        public void end() {
            engine.close();
        }

        @Override
        public void close() {
            engine.close();
            embedder.close();
        }
    }

    /** Says how well texts answer a query. */
    record Scores(String name, Reranker reranker, Gate gate) implements ServedModel {
        @Override
        public String kind() {
            return "rerank";
        }

        @Override
        public void close() {
            reranker.close();
        }
    }

    /** Translates. */
    record Translations(String name, Translator translator, Gate gate) implements ServedModel {
        @Override
        public String kind() {
            return "translate";
        }

        @Override
        public void close() {
            translator.close();
        }
    }
}
