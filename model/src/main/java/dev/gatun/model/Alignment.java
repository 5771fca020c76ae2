package dev.gatun.model;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A translation and what each of its tokens looked at.
 *
 * @param text the translation
 * @param sourceTokens as the vocabulary spells them, the end and languages included
 * @param targetTokens likewise
 * @param attention for each target token a weight of each source token; a row sums to 1
 * @param links for each target token the source token that it looked at most, of equals the first; in the order of the target, without
 *     ends and languages on either side, which are no words
 */
public record Alignment(
        String text, List<String> sourceTokens, List<String> targetTokens, float[][] attention, List<Link> links) {
    /** Copies lists and rows. */
    public Alignment {
        sourceTokens = List.copyOf(sourceTokens);
        targetTokens = List.copyOf(targetTokens);
        attention = Arrays.stream(attention).map(float[]::clone).toArray(float[][]::new);
        links = List.copyOf(links);
    }

    /**
     * A pair of tokens.
     *
     * @param source index of the source token
     * @param target index of the target token
     */
    public record Link(int source, int target) {}

    /** The links as {@code 0-0 1-2 2-1}: source, then target (the format of Pharaoh, Moses and Marian). */
    public String pharaoh() {
        return links.stream().map(link -> link.source + "-" + link.target).collect(Collectors.joining(" "));
    }
}
