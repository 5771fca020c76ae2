package dev.gatun.spark;

import dev.gatun.ops.Backend;
import java.io.Serializable;
import org.apache.spark.TaskContext;
import org.jspecify.annotations.Nullable;

/**
 * What tasks that have it in common share a model.
 *
 * @param task what it does
 * @param model where it is, as {@link TextTask#open} knows it
 * @param kind who computes
 */
record ModelKey(TextTask task, String model, Backend.Kind kind) implements Serializable {
    /** Threads that a call may use here: as many as Spark gives the running task; 1 where none runs. */
    static int threads() {
        @Nullable TaskContext task = TaskContext.get();
        return task == null ? 1 : task.cpus();
    }
}
