package dev.gatun.cli.serve.engine;

import dev.gatun.cli.serve.engine.PrefixCache.Match;
import dev.gatun.model.decoder.DecoderSession;
import dev.gatun.model.nn.PagedKvCache.Sequence;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ForkJoinPool;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Texts that grow side by side in one session. A step computes some tokens of one prompt and then one token of each text that has its
 * prompt behind it; between steps texts join and leave. Where pages run out, the youngest text gives its own back and waits, to be
 * computed again from its tokens; the oldest never does, so that all come to an end. For one thread.
 */
final class RunningBatch implements AutoCloseable {
    /** Tokens that a text will have before long. */
    private static final int SOON = 32;

    private final DecoderSession session;
    private final EngineObserver observer;
    private final PrefixCache prefixes;
    private final PrefillPace pace;
    private final @Nullable ForkJoinPool pickers; // for texts whose next token takes time to pick; null on one thread
    private final List<Job> active = new ArrayList<>(); // the oldest first
    private final Deque<Job> preempted = new ArrayDeque<>(); // the oldest first
    private final List<Job> ready = new ArrayList<>(); // that the step decodes
    private boolean oldestFirst; // of prompts
    private Sequence[] sequences = {};
    private int[] ids = {};

    /**
     * Nothing yet.
     *
     * @param session closed with this
     * @param threads that pick tokens
     */
    RunningBatch(DecoderSession session, int threads, EngineObserver observer) {
        this.session = session;
        this.observer = observer;
        prefixes = new PrefixCache(session);
        pace = new PrefillPace(session.size().chunk());
        pickers = threads > 1 ? new ForkJoinPool(threads) : null;
    }

    /** Texts in it. */
    int size() {
        return active.size() + preempted.size();
    }

    int freePages() {
        return session.freePages();
    }

    /** Takes a text in; false if there is no room for it now. */
    boolean admit(Job job) {
        return preempted.isEmpty() && join(job);
    }

    private boolean join(Job job) {
        if (active.size() == session.size().sequences()) {
            return false;
        }
        Match match = alike(job);
        Sequence sequence;
        if (match == null) {
            sequence = session.newSequence();
        } else {
            sequence = session.fork(match.sequence());
            session.truncate(sequence, match.tokens());
        }
        while (!active.isEmpty() && session.freePages() < pagesSoon(sequence, job.total())) {
            if (!prefixes.evict()) {
                session.release(sequence);
                return false;
            }
        }
        job.join(sequence);
        active.add(job);
        job.start(observer, sequence.length());
        return true;
    }

    /** For all tokens of who joins; and for others, who should not be driven out at once. */
    private int pagesSoon(Sequence joins, int total) {
        int pages = session.pagesFor(joins, total - joins.length());
        for (Job other : active) {
            int left = session.size().nCtx() - other.sequence().length();
            pages += session.pagesFor(other.sequence(), Math.min(left, other.remaining() + SOON));
        }
        return pages;
    }

    /** What has been computed for other texts, past and present, that begin alike. The last token is computed anyway, for its logits. */
    private @Nullable Match alike(Job job) {
        Match best = prefixes.find(job.ids(), job.total() - 1);
        for (Job other : active) {
            int same = PrefixCache.common(other.ids(), other.sequence().length(), job.ids(), job.total() - 1);
            if (same >= PrefixCache.WORTH && (best == null || same > best.tokens())) {
                best = new Match(other.sequence(), same);
            }
        }
        return best;
    }

    /** Computes what is next for all. */
    void step() {
        dropCancelled();
        while (!preempted.isEmpty() && join(preempted.getFirst())) {
            preempted.removeFirst();
        }
        prefill();
        decode();
    }

    /** Short prompts go together: what is left of the pace's tokens is the next one's. A prompt that nobody waits for goes alone. */
    private void prefill() {
        boolean othersWait = active.stream().anyMatch(other -> other.remaining() == 1);
        int left = pace.tokens(othersWait);
        do {
            Job prompt = nextPrompt();
            if (prompt == null) {
                return;
            }
            int tokens = pace.part(prompt.remaining(), left);
            if (!makeRoom(List.of(prompt), tokens)) {
                return;
            }
            prefill(prompt, tokens);
            left -= tokens;
        } while (othersWait && left >= PrefillPace.TELLING);
    }

    private void dropCancelled() {
        for (Iterator<Job> i = active.iterator(); i.hasNext(); ) {
            Job job = i.next();
            if (job.text().isCancelled()) {
                i.remove();
                leave(job);
                job.cancel();
            }
        }
        for (Iterator<Job> i = preempted.iterator(); i.hasNext(); ) {
            Job job = i.next();
            if (job.text().isCancelled()) {
                i.remove();
                job.cancel();
            }
        }
    }

    /** The oldest prompt and the one with the fewest tokens to go, in turns: short ones need not wait, and long ones come to an end. */
    private @Nullable Job nextPrompt() {
        Job oldest = null;
        Job shortest = null;
        for (Job job : active) {
            if (job.remaining() > 1) {
                if (oldest == null) {
                    oldest = job;
                }
                if (shortest == null || job.remaining() < shortest.remaining()) {
                    shortest = job;
                }
            }
        }
        oldestFirst = !oldestFirst;
        return oldestFirst ? oldest : shortest;
    }

    private void prefill(Job job, int tokens) {
        int from = job.sequence().length();
        long start = System.nanoTime();
        try {
            session.prefill(job.sequence(), job.ids(), from, from + tokens);
        } catch (RuntimeException e) { // whatever it is, the others need not suffer from it
            job.fail(e);
        }
        pace.prefilled(tokens, System.nanoTime() - start);
        if (!job.isOver() && job.remaining() == 0) {
            job.advance(session, 0, observer);
        }
        dropEnded();
    }

    private void decode() {
        do {
            ready.clear();
            for (Job job : active) {
                if (job.remaining() == 1) {
                    ready.add(job);
                }
            }
        } while (!ready.isEmpty() && !makeRoom(ready, 1));
        int n = ready.size();
        if (n == 0) {
            return;
        }
        if (sequences.length != n) {
            sequences = new Sequence[n];
            ids = new int[n];
        }
        for (int i = 0; i < n; i++) {
            sequences[i] = ready.get(i).sequence();
            ids[i] = ready.get(i).lastId();
        }
        long start = System.nanoTime();
        try {
            session.decode(sequences, ids);
        } catch (RuntimeException e) {
            ready.forEach(job -> job.fail(e));
        }
        pace.decoded(System.nanoTime() - start);
        advance();
        observer.step(n);
        dropEnded();
    }

    private void advance() {
        int work = 0;
        for (int row = 0; row < ready.size(); row++) {
            if (ready.get(row).pickingIsWork()) {
                work++;
            } else {
                ready.get(row).advance(session, row, observer); // with the session's own operators: here
            }
        }
        if (work > 1 && pickers != null) {
            pickers.submit(() -> IntStream.range(0, ready.size()).parallel().forEach(this::pick))
                    .join();
        } else if (work > 0) {
            IntStream.range(0, ready.size()).forEach(this::pick);
        }
    }

    private void pick(int row) {
        if (ready.get(row).pickingIsWork()) {
            ready.get(row).advance(session, row, observer);
        }
    }

    /**
     * Sees to it that there are pages for so many more tokens of each of these texts.
     *
     * @return false if another text had to go for that, which may be one of these
     */
    private boolean makeRoom(List<Job> jobs, int tokens) {
        // Counted again after each eviction: a page that only a kept prefix shared needs no copy any more.
        while (session.freePages() < pagesFor(jobs, tokens)) {
            if (!prefixes.evict()) {
                if (active.size() == 1) {
                    throw new IllegalStateException("one text alone needs " + pagesFor(jobs, tokens)
                            + " pages more, there are " + session.freePages() + " of "
                            + session.size().pages());
                }
                Job youngest = active.removeLast();
                session.release(youngest.sequence());
                youngest.leave();
                preempted.addFirst(youngest);
                observer.preempted();
                return false;
            }
        }
        return true;
    }

    private int pagesFor(List<Job> jobs, int tokens) {
        int pages = 0;
        for (Job job : jobs) {
            pages += session.pagesFor(job.sequence(), tokens);
        }
        return pages;
    }

    private void dropEnded() {
        for (Iterator<Job> i = active.iterator(); i.hasNext(); ) {
            Job job = i.next();
            if (job.isOver()) {
                i.remove();
                leave(job);
                job.finish();
            }
        }
    }

    private void leave(Job job) {
        Sequence sequence = job.sequence();
        job.leave();
        prefixes.keep(sequence, job.ids());
    }

    /** Tells all texts that they will not be finished. */
    void failAll(RuntimeException cause) {
        for (List<Job> jobs : List.of(active, List.copyOf(preempted))) {
            for (Job job : jobs) {
                Sequence sequence = job.sequenceOrNull();
                if (sequence != null) {
                    session.release(sequence);
                    job.leave();
                }
                job.fail(cause);
                job.finish();
            }
        }
        active.clear();
        preempted.clear();
    }

    @Override
    public void close() {
        if (pickers != null) {
            pickers.close();
        }
        session.close();
    }
}
