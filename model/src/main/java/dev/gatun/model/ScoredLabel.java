package dev.gatun.model;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * One of the labels that a model knows, and how sure it is.
 *
 * @param label its name in config.json
 * @param score 0 to 1
 */
public record ScoredLabel(String label, float score) {
    /** Labels with their scores, the best first. */
    static List<ScoredLabel> sorted(List<String> labels, float[] scores) {
        List<ScoredLabel> scored = new ArrayList<>(scores.length);
        for (int i = 0; i < scores.length; i++) {
            scored.add(new ScoredLabel(labels.get(i), scores[i]));
        }
        scored.sort(Comparator.comparingDouble(label -> -label.score));
        return scored;
    }

    /** Probabilities of labels of which one is right. */
    static float[] softmax(float[] logits) {
        double max = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        float[] probabilities = new float[logits.length];
        for (int i = 0; i < logits.length; i++) {
            probabilities[i] = (float) (Math.exp(logits[i] - max) / sum);
        }
        return probabilities;
    }

    /** The probability of a label by itself. */
    static float sigmoid(float logit) {
        return (float) (1 / (1 + Math.exp(-logit)));
    }

    /** Probabilities of labels of which any may be right. */
    static float[] sigmoids(float[] logits) {
        float[] probabilities = new float[logits.length];
        for (int i = 0; i < logits.length; i++) {
            probabilities[i] = sigmoid(logits[i]);
        }
        return probabilities;
    }
}
