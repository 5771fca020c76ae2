package dev.gatun.langchain4j;

import dev.gatun.model.Reranker;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.scoring.ScoringModel;
import java.util.ArrayList;
import java.util.List;

/** How well texts answer a query, by a cross-encoder ({@link Reranker}). Thread-safe, as that is. */
public final class GatunScoringModel implements ScoringModel {
    private final Reranker reranker;

    /** Uses {@code reranker}, which its owner closes. */
    public GatunScoringModel(Reranker reranker) {
        this.reranker = reranker;
    }

    /** A score for each text, in their order; higher is better, and the scale is the model's. */
    @Override
    public Response<List<Double>> scoreAll(List<TextSegment> segments, String query) {
        List<Double> scores = new ArrayList<>();
        for (float score :
                reranker.scores(query, segments.stream().map(TextSegment::text).toList())) {
            scores.add((double) score);
        }
        return Response.from(scores);
    }
}
