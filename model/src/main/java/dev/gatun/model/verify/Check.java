package dev.gatun.model.verify;

/**
 * One tensor compared with the reference.
 *
 * @param tensor its name, {@code <case>.<tensor>}
 * @param worst largest absolute difference of an element that counts; for integers how many differ; NaN if there is nothing to
 *     compare
 * @param tolerance what is allowed
 * @param problem why there is nothing to compare, or empty
 */
public record Check(String tensor, double worst, double tolerance, String problem) {
    /** Whether the difference is within the tolerance. */
    public boolean passed() {
        return problem.isEmpty() && worst <= tolerance;
    }
}
