package dev.gatun.langchain4j;

import dev.gatun.model.TextEmbedder;
import dev.langchain4j.data.embedding.Embedding;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import java.util.Arrays;
import java.util.List;

/**
 * Vectors of texts by a {@link TextEmbedder}. Thread-safe, as that is.
 *
 * <pre>{@code
 * try (Backend backend = Backend.open(Backend.Options.defaults());
 *         TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(Path.of("all-MiniLM-L6-v2")), backend)) {
 *     EmbeddingModel model = new GatunEmbeddingModel(embedder);
 *     float[] vector = model.embed("What is a lock?").content().vector();
 * }
 * }</pre>
 */
public final class GatunEmbeddingModel implements EmbeddingModel {
    private final TextEmbedder embedder;

    /** Uses {@code embedder}, which its owner closes. */
    public GatunEmbeddingModel(TextEmbedder embedder) {
        this.embedder = embedder;
    }

    /**
     * All in one batch, in their order. Texts beyond {@link TextEmbedder#maxTokens} are cut.
     *
     * @throws dev.gatun.model.InputException if a text is no Unicode
     */
    @Override
    public Response<List<Embedding>> embedAll(List<TextSegment> segments) {
        List<String> texts = segments.stream().map(TextSegment::text).toList();
        int tokens = texts.stream().mapToInt(embedder::countTokens).sum();
        List<Embedding> embeddings =
                Arrays.stream(embedder.embedAll(texts)).map(Embedding::from).toList();
        return Response.from(embeddings, new TokenUsage(tokens));
    }

    @Override
    public int dimension() {
        return embedder.dimensions();
    }
}
