package dev.gatun.bench;

import java.time.Instant;
import java.util.List;
import java.util.SequencedMap;

/**
 * What a run has found.
 *
 * @param created when it ended
 * @param quick whether it was a first look only
 * @param threads that computed
 * @param facts of the machine, by name
 * @param limits of the machine, measured at the start
 * @param engines that took part, each with what it says of itself
 * @param results of operations, in the order of their groups
 * @param coldStarts of fresh processes
 * @param notes what could not be measured, and why
 */
record Report(
        Instant created,
        boolean quick,
        int threads,
        SequencedMap<String, String> facts,
        SequencedMap<Limit, Stats> limits,
        SequencedMap<EngineKind, String> engines,
        List<Result> results,
        List<ColdStart.Result> coldStarts,
        List<String> notes) {
    /** The results of a group. */
    List<Result> of(Group group) {
        return results.stream()
                .filter(result -> result.benchmark().group() == group)
                .toList();
    }
}
