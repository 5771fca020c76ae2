package dev.gatun.model.generate;

/**
 * How a model wants its targets generated: what its generation_config.json says, or a caller.
 *
 * @param startId what every target starts with; not part of the result
 * @param eosId ends a target; part of the result
 * @param padId fills up shorter targets of a batch
 * @param bannedIds never produced
 * @param maxTokens ids produced at most, the end included
 * @param beams hypotheses of each source; 1 is greedy
 * @param lengthPenalty a hypothesis is worth the sum of its log-probabilities divided by its length to this power
 */
public record GenerationConfig(
        int startId, int eosId, int padId, int[] bannedIds, int maxTokens, int beams, float lengthPenalty) {
    /** Most beams that make sense: more than that is a mistake, and memory grows with them. */
    public static final int MAX_BEAMS = 256;

    /** Copies the array and checks numbers. */
    public GenerationConfig {
        bannedIds = bannedIds.clone();
        if (beams < 1 || beams > MAX_BEAMS) {
            throw new IllegalArgumentException("beams " + beams + ": must be 1 to " + MAX_BEAMS);
        }
        if (maxTokens < 1) {
            throw new IllegalArgumentException("maxTokens " + maxTokens + ": must be at least 1");
        }
        if (!Float.isFinite(lengthPenalty)) {
            throw new IllegalArgumentException("lengthPenalty " + lengthPenalty + ": must be a finite number");
        }
    }

    /** A copy. */
    @Override
    public int[] bannedIds() {
        return bannedIds.clone();
    }

    /** These settings with another number of beams. */
    public GenerationConfig withBeams(int newBeams) {
        return new GenerationConfig(startId, eosId, padId, bannedIds, maxTokens, newBeams, lengthPenalty);
    }

    /** These settings with another limit. */
    public GenerationConfig withMaxTokens(int newMaxTokens) {
        return new GenerationConfig(startId, eosId, padId, bannedIds, newMaxTokens, beams, lengthPenalty);
    }

    /** These settings with another length penalty. */
    public GenerationConfig withLengthPenalty(float newLengthPenalty) {
        return new GenerationConfig(startId, eosId, padId, bannedIds, maxTokens, beams, newLengthPenalty);
    }
}
