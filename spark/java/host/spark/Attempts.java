package host.spark;

import org.apache.spark.Success$;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerTaskEnd;

import java.util.concurrent.atomic.AtomicLong;

/** Counts what went wrong on the way and was tried again. */
final class Attempts extends SparkListener {
    private final AtomicLong failedTasks = new AtomicLong();
    private final AtomicLong lostExecutors = new AtomicLong();

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
        if (end.reason() != Success$.MODULE$) {
            failedTasks.incrementAndGet();
        }
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
        lostExecutors.incrementAndGet();
    }

    /** What there is to say of it, behind an account. */
    @Override
    public String toString() {
        long tasks = failedTasks.get();
        long executors = lostExecutors.get();
        String text = tasks == 0 ? "" : ", " + tasks + " tried again";
        return text + (executors == 0 ? "" : "; executors lost: " + executors);
    }
}
