package dev.gatun.model.generate;

import dev.gatun.memory.DType;
import dev.gatun.memory.Shape;
import dev.gatun.memory.Tensor;
import dev.gatun.model.generate.BeamSearch.Hypothesis;
import dev.gatun.model.transformer.TransformerSession;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;

/**
 * Writes what a model hears, a window of sound after the other (Radford et al. 2023, section 3.8; transformers'
 * WhisperGenerationMixin). With times a window goes on from where the last whole segment of the one before ended; without, windows stand
 * side by side.
 */
public final class SpeechGeneration {
    /**
     * What was heard from one time to another.
     *
     * @param start seconds from the beginning of the sound
     * @param end likewise
     * @param ids with the times among them, without the end
     */
    public record Segment(double start, double end, int[] ids) {}

    private final GenerationConfig config;
    private final int windowFrames;
    private final double frameSeconds;

    /**
     * A generation with these settings, whose prompt says language and task.
     *
     * @param windowFrames columns that the model reads at once
     * @param frameSeconds from one column to the next
     */
    public SpeechGeneration(GenerationConfig config, int windowFrames, double frameSeconds) {
        this.config = config;
        this.windowFrames = windowFrames;
        this.frameSeconds = frameSeconds;
    }

    /** Told how far a generation is. */
    @FunctionalInterface
    public interface Progress {
        /** Called with columns that are done, of all that there are. */
        void at(int frames, int of);
    }

    /**
     * Hears all of a sound.
     *
     * @param session with one source, and as many beams as the settings say
     * @param features spectrogram [columns, bins]
     * @param frames columns of it that are sound; what is behind them is looked at, but not heard by itself
     * @param progress told after each window
     */
    public List<Segment> run(TransformerSession session, Tensor features, int frames, Progress progress) {
        List<Segment> segments = new ArrayList<>();
        int seek = 0;
        while (seek < frames) {
            encode(session, features, seek);
            int[] ids = generate(session);
            int heard = Math.min(windowFrames, frames - seek);
            seek += cut(ids, seek, heard, segments);
            progress.at(Math.min(seek, frames), frames);
        }
        return segments;
    }

    /**
     * The likeliest of some languages, by what would follow the start.
     *
     * @param languages their ids, at least one
     */
    public int detect(TransformerSession session, Tensor features, Collection<Integer> languages) {
        encode(session, features, 0);
        int[] start = new int[session.hypotheses()];
        Arrays.fill(start, config.startId());
        session.decode(start, 1);
        Tensor scores = session.logits(0, 0);
        int best = languages.iterator().next();
        for (int language : languages) {
            float score = scores.getFloat(language);
            if (score > scores.getFloat(best) || score == scores.getFloat(best) && language < best) {
                best = language;
            }
        }
        return best;
    }

    /** Reads the window from a column on; where the spectrogram ends there are zeros. */
    private void encode(TransformerSession session, Tensor features, int from) {
        int count = Math.min(windowFrames, features.dim(0) - from);
        if (count == windowFrames) {
            session.encode(features.slice(0, from, from + count).reshape(1, count, features.dim(1)));
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            Tensor window = Tensor.allocate(arena, DType.F32, Shape.of(windowFrames, features.dim(1)));
            window.slice(0, 0, count).copyFrom(features.slice(0, from, from + count));
            session.encode(window.reshape(1, windowFrames, features.dim(1)));
        }
    }

    private int[] generate(TransformerSession session) {
        int[] ids;
        if (config.beams() > 1) {
            List<Hypothesis> best = new BeamSearch(config).run(session).getFirst();
            ids = best.isEmpty() ? new int[0] : best.getFirst().ids();
        } else {
            ids = new GreedySearch(config).run(session)[0];
        }
        int n = ids.length;
        return n > 0 && config.isEos(ids[n - 1]) ? Arrays.copyOf(ids, n - 1) : ids;
    }

    /**
     * Cuts the ids of a window into segments, where one time follows another.
     *
     * @param seek the window's first column
     * @param heard columns of sound in it
     * @return columns to go on by
     */
    private int cut(int[] ids, int seek, int heard, List<Segment> segments) {
        double offset = seek * frameSeconds;
        TimestampRules times = config.rules().timestamps();
        if (times == null) {
            segments.add(new Segment(offset, offset + heard * frameSeconds, ids));
            return heard;
        }
        int n = ids.length;
        boolean endsOnce = n > 1 && times.isTime(ids[n - 1]) && !times.isTime(ids[n - 2]);
        int from = 0;
        int lastEnd = -1;
        for (int i = 1; i < n; i++) {
            if (times.isTime(ids[i - 1]) && times.isTime(ids[i])) {
                from = add(ids, from, i, offset, times, segments);
                lastEnd = ids[i - 1] - times.first();
            }
        }
        if (lastEnd >= 0 && !endsOnce) { // cut in the middle of a segment: it is heard again from its start
            int steps = Math.toIntExact(Math.round(lastEnd * TimestampRules.STEP / frameSeconds));
            return steps > 0 ? steps : heard;
        }
        if (lastEnd >= 0) {
            add(ids, from, n, offset, times, segments);
            return heard;
        }
        double end = heard * frameSeconds;
        for (int id : ids) {
            if (id > times.first()) {
                end = (id - times.first()) * TimestampRules.STEP;
            }
        }
        segments.add(new Segment(offset, offset + end, ids));
        return heard;
    }

    /** A segment of ids from a time to a time. */
    private static int add(int[] ids, int from, int to, double offset, TimestampRules times, List<Segment> segments) {
        double start = (ids[from] - times.first()) * TimestampRules.STEP;
        double end = (ids[to - 1] - times.first()) * TimestampRules.STEP;
        segments.add(new Segment(offset + start, offset + end, Arrays.copyOfRange(ids, from, to)));
        return to;
    }
}
