package dev.gatun.cli.serve.engine;

import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * Sequences of texts that have ended, for others that begin alike: the next message of a conversation, or the same instructions. They
 * hold pages that nobody needs more, and lose them when somebody does, the one that was of use longest ago first.
 */
final class PrefixCache {
    /** Tokens that are worth a fork. */
    static final int WORTH = 8;

    private record Entry(Sequence sequence, int[] ids) {}

    private final DecoderSession session;
    private final Deque<Entry> entries = new ArrayDeque<>(); // the one to go first comes first

    PrefixCache(DecoderSession session) {
        this.session = session;
    }

    /** How many ids both begin with. */
    static int common(int[] a, int lengthA, int[] b, int lengthB) {
        int at = Arrays.mismatch(a, 0, lengthA, b, 0, lengthB);
        return at < 0 ? Math.min(lengthA, lengthB) : at;
    }

    /** A sequence whose first so many tokens are those of a text. */
    record Match(Sequence sequence, int tokens) {}

    /** The best of what there is for a text of which the first {@code length} ids count; null if nothing is worth a fork. */
    @Nullable
    Match find(int[] ids, int length) {
        Entry best = null;
        int most = WORTH - 1;
        for (Entry entry : entries) {
            int same = common(entry.ids, entry.ids.length, ids, length);
            if (same > most) {
                most = same;
                best = entry;
            }
        }
        if (best == null) {
            return null;
        }
        entries.remove(best);
        entries.add(best);
        return new Match(best.sequence, most);
    }

    /** Takes a sequence over; {@code ids} are those of its tokens, and maybe more. */
    void keep(Sequence sequence, int[] ids) {
        int length = sequence.length();
        if (length < WORTH) {
            session.release(sequence);
            return;
        }
        for (Iterator<Entry> i = entries.iterator(); i.hasNext(); ) {
            Entry entry = i.next();
            if (common(entry.ids, entry.ids.length, ids, length) == entry.ids.length) { // has nothing that this has not
                session.release(entry.sequence);
                i.remove();
            }
        }
        entries.add(new Entry(sequence, Arrays.copyOf(ids, length)));
    }

    /** Lets one go; false if there is none. */
    boolean evict() {
        Entry entry = entries.poll();
        if (entry != null) {
            session.release(entry.sequence);
        }
        return entry != null;
    }
}
