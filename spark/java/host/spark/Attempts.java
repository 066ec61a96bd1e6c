package host.spark;

import org.apache.spark.Success$;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerTaskEnd;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Counts what went wrong on the way and was tried again, and ends the job where trying again is of
 * no use: at a record that fails.
 */
final class Attempts extends SparkListener {
    /** How many failed tasks are told of, of those that Spark may try again. */
    private static final int TOLD = 10;

    private final AtomicLong failedTasks = new AtomicLong();
    private final AtomicLong lostExecutors = new AtomicLong();
    private final Runnable endJob;
    private volatile String recordFailed;

    Attempts(Runnable endJob) {
        this.endJob = endJob;
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
        if (end.reason() == Success$.MODULE$) {
            return;
        }
        if (recordFailed != null) {
            // The others are ended.
            return;
        }
        String told = end.reason() instanceof TaskFailedReason
                ? ((TaskFailedReason) end.reason()).toErrorString()
                : end.reason().toString();
        recordFailed = Failed.wordsIn(told, RecordFailed.class);
        if (recordFailed != null) {
            endJob.run();
        } else if (failedTasks.incrementAndGet() <= TOLD) {
            String words = Failed.wordsIn(told);
            String first = (words == null ? told : words).split("\n", 2)[0];
            System.err.printf("host: task %,d on %s has failed: %s%n",
                    end.taskInfo().index(), end.taskInfo().host(), first);
        }
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
        lostExecutors.incrementAndGet();
    }

    /** What the program said of the record that ended the job; null: none did. */
    String recordFailed() {
        return recordFailed;
    }

    /** What there is to say of it, behind an account. */
    @Override
    public String toString() {
        long tasks = failedTasks.get();
        long executors = lostExecutors.get();
        String text = tasks == 0 ? "" : ", " + tasks + " failed and done again";
        return text + (executors == 0 ? "" : "; executors lost: " + executors);
    }
}
