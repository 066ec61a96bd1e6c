package host.spark;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;

import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;

/** What a task does with rows that have become texts of JSON. */
final class Rows<T> implements FlatMapFunction<Iterator<String>, T> {
    private static final long serialVersionUID = 1;

    private final Task<T> task;
    /** What they are rows of. */
    private final String of;

    Rows(Task<T> task, String of) {
        this.task = task;
        this.of = of;
    }

    @Override
    public Iterator<T> call(Iterator<String> rows) throws IOException {
        int number = TaskContext.getPartitionId();
        return task.run(String.format("partition %,d of %s", number, of), into -> {
            while (rows.hasNext()) {
                into.write(rows.next().getBytes(StandardCharsets.UTF_8));
                into.write('\n');
            }
        });
    }
}
