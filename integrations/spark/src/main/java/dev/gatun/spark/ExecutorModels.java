package dev.gatun.spark;

import dev.gatun.ops.Backend;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.TaskContext;
import org.jspecify.annotations.Nullable;

/**
 * The models that are open in this JVM, each once, whatever the number of tasks that use it: Spark makes an object of its own of every
 * function for every task, so who owns the models must be found from anywhere.
 *
 * <p>A model has a count of its users. One that nobody uses stays open for the next task, until another model is asked for: then it is
 * closed first. So the memory taken is that of the models in use, or of those used last.
 */
final class ExecutorModels {
    private static final ExecutorModels OF_THIS_JVM = new ExecutorModels();

    private final Map<Opened, Entry> entries = new HashMap<>(); // guarded by this
    private final Set<Hold> holds = new HashSet<>(); // of running tasks; guarded by this

    private record Opened(ModelKey key, int threads) {}

    private record Hold(long task, Opened opened) {}

    /** A model and what it was opened with. */
    private record Held(ColumnModel model, Backend backend) {
        void close() {
            model.close();
            backend.close();
        }
    }

    /** A model, or one that is being opened by who has its lock. */
    private static final class Entry {
        int users; // guarded by the owner of the entries

        @Nullable
        Held held; // guarded by this
    }

    /** Not a singleton for tests. */
    ExecutorModels() {}

    /** Where this JVM's tasks find theirs. */
    static ExecutorModels ofThisJvm() {
        return OF_THIS_JVM;
    }

    /** What is done with a model. */
    interface Use<R> {
        R with(ColumnModel model);
    }

    /**
     * Lends a model for one call.
     *
     * @throws UncheckedIOException if its files cannot be read
     */
    <R> R use(ModelKey key, Use<R> use) {
        var opened = new Opened(key, ModelKey.threads());
        ColumnModel model = acquire(opened);
        try {
            return use.with(model);
        } finally {
            release(opened);
        }
    }

    /**
     * A model for the rest of the running task, however often the task asks.
     *
     * @throws UncheckedIOException if its files cannot be read
     */
    ColumnModel forTask(ModelKey key, TaskContext task) {
        var opened = new Opened(key, task.cpus());
        var hold = new Hold(task.taskAttemptId(), opened);
        boolean first;
        synchronized (this) {
            first = holds.add(hold);
        }
        ColumnModel model;
        try {
            model = acquire(opened);
        } catch (RuntimeException | Error e) {
            if (first) {
                synchronized (this) {
                    holds.remove(hold);
                }
            }
            throw e;
        }
        if (first) {
            task.addTaskCompletionListener(ended -> {
                synchronized (this) {
                    holds.remove(hold);
                }
                release(opened);
            });
        } else {
            release(opened); // the task has it already
        }
        return model;
    }

    /** How many models are open. */
    synchronized int size() {
        return entries.size();
    }

    private ColumnModel acquire(Opened opened) {
        Entry entry;
        List<Entry> idle = new ArrayList<>();
        synchronized (this) {
            @Nullable Entry present = entries.get(opened);
            if (present == null) {
                entry = new Entry();
                removeIdle(idle);
                entries.put(opened, entry);
            } else {
                entry = present;
            }
            entry.users++;
        }
        idle.forEach(ExecutorModels::close);
        try {
            synchronized (entry) {
                Held held = entry.held;
                if (held == null) {
                    held = open(opened);
                    entry.held = held;
                }
                return held.model;
            }
        } catch (RuntimeException | Error e) {
            synchronized (this) {
                entry.users--;
                if (entry.users == 0) {
                    entries.remove(opened, entry);
                }
            }
            throw e;
        }
    }

    private void removeIdle(List<Entry> idle) {
        for (Iterator<Entry> each = entries.values().iterator(); each.hasNext(); ) {
            Entry entry = each.next();
            if (entry.users == 0) {
                each.remove();
                idle.add(entry);
            }
        }
    }

    private static void close(Entry entry) {
        synchronized (entry) {
            if (entry.held != null) {
                entry.held.close();
            }
        }
    }

    private synchronized void release(Opened opened) {
        Entry entry = entries.get(opened);
        if (entry == null || entry.users == 0) {
            throw new IllegalStateException(opened + " was given back more often than it was taken");
        }
        entry.users--;
    }

    private static Held open(Opened opened) {
        ModelKey key = opened.key;
        Backend backend = Backend.open(new Backend.Options(key.kind(), opened.threads, null));
        try {
            ColumnModel model = key.task().open(key.model(), backend);
            backend.warmUp((done, steps) -> {}); // once an executor, and not in the first batch
            return new Held(model, backend);
        } catch (IOException e) {
            backend.close();
            throw new UncheckedIOException(key.task() + ": model " + key.model() + ": " + e, e);
        } catch (RuntimeException | Error e) {
            backend.close();
            throw e;
        }
    }
}
