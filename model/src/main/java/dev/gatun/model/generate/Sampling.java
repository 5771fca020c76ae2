package dev.gatun.model.generate;

/**
 * How the next id is picked from logits: repetition penalty, temperature, top-k, top-p and min-p, in this order, as Hugging Face's
 * generate applies them; then one draw.
 *
 * @param temperature logits are divided by it; 0 is greedy
 * @param topK keeps the k most probable; 0 for all
 * @param topP keeps the fewest whose probabilities reach p; 1 for all
 * @param minP keeps those with at least this part of the largest probability; 0 for all
 * @param repetitionPenalty divides positive logits of ids that were there already, and multiplies negative ones; 1 for none
 * @param seed of the draws: same seed, same text, at any number of threads
 */
public record Sampling(double temperature, int topK, double topP, double minP, double repetitionPenalty, long seed) {
    /** Always the most probable id. */
    public static final Sampling GREEDY = new Sampling(0, 0, 1, 0, 1, 0);

    /**
     * Checks ranges.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public Sampling {
        if (!(temperature >= 0 && temperature <= 100)) {
            throw new IllegalArgumentException("temperature " + temperature + ": must be 0 to 100");
        }
        if (topK < 0) {
            throw new IllegalArgumentException("topK " + topK + ": must not be negative");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new IllegalArgumentException("topP " + topP + ": must be above 0 and at most 1");
        }
        if (!(minP >= 0 && minP <= 1)) {
            throw new IllegalArgumentException("minP " + minP + ": must be 0 to 1");
        }
        if (!(repetitionPenalty > 0 && repetitionPenalty <= 100)) {
            throw new IllegalArgumentException(
                    "repetitionPenalty " + repetitionPenalty + ": must be above 0 and at most 100");
        }
    }
}
