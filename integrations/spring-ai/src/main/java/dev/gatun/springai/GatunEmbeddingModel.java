package dev.gatun.springai;

import dev.gatun.model.TextEmbedder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.document.Document;
import org.springframework.ai.embedding.Embedding;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.embedding.EmbeddingOptions;
import org.springframework.ai.embedding.EmbeddingRequest;
import org.springframework.ai.embedding.EmbeddingResponse;
import org.springframework.ai.embedding.EmbeddingResponseMetadata;

/**
 * Vectors of texts by a {@link TextEmbedder}. Thread-safe, as that is.
 *
 * <pre>{@code
 * try (Backend backend = Backend.open(Backend.Options.defaults());
 *         TextEmbedder embedder = TextEmbedder.open(ModelFolder.of(Path.of("all-MiniLM-L6-v2")), backend)) {
 *     VectorStore store = SimpleVectorStore.builder(new GatunEmbeddingModel(embedder)).build();
 *     store.add(List.of(new Document("A lock lifts ships.")));
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
     * All in one batch, in their order, with the tokens that were read as usage. Texts beyond {@link TextEmbedder#maxTokens} are cut.
     *
     * @throws UnsupportedOperationException if the options name a model, or dimensions that this one does not have
     * @throws dev.gatun.model.InputException if a text is no Unicode
     */
    @Override
    public EmbeddingResponse call(EmbeddingRequest request) {
        check(request.getOptions());
        int[][] ids = embedder.tokenize(request.getInstructions(), null);
        float[][] vectors = embedder.embedTokens(ids);
        List<Embedding> embeddings = new ArrayList<>();
        for (int i = 0; i < vectors.length; i++) {
            embeddings.add(new Embedding(vectors[i], i));
        }
        var metadata = new EmbeddingResponseMetadata();
        metadata.setUsage(new DefaultUsage(
                Arrays.stream(ids).mapToInt(text -> text.length).sum(), 0));
        return new EmbeddingResponse(embeddings, metadata);
    }

    private void check(@Nullable EmbeddingOptions options) {
        if (options == null) {
            return;
        }
        if (options.getModel() != null) {
            throw new UnsupportedOperationException(
                    "Gatun: model " + options.getModel() + ": an embedder has one model, which options cannot change");
        }
        Integer dimensions = options.getDimensions();
        if (dimensions != null && dimensions != embedder.dimensions()) {
            throw new UnsupportedOperationException(
                    "Gatun: dimensions " + dimensions + ": the model's vectors have " + embedder.dimensions());
        }
    }

    /**
     * The vector of a document's text.
     *
     * @throws UnsupportedOperationException if it has no text
     */
    @Override
    public float[] embed(Document document) {
        return embed(getEmbeddingContent(document));
    }

    /**
     * A document's text, without its metadata.
     *
     * @throws UnsupportedOperationException if it has no text
     */
    @Override
    public String getEmbeddingContent(Document document) {
        String text = document.getText();
        if (text == null) {
            throw new UnsupportedOperationException("Gatun: document " + document.getId() + " has no text");
        }
        return text;
    }

    @Override
    public int dimensions() {
        return embedder.dimensions();
    }
}
