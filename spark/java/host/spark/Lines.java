package host.spark;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Iterator;

import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapreduce.InputSplit;
import org.apache.hadoop.mapreduce.lib.input.FileSplit;
import org.apache.spark.api.java.function.Function2;

import scala.Tuple2;

/** What a task does with lines of a file: each goes into the program as the bytes that it has. */
final class Lines<T>
        implements Function2<InputSplit, Iterator<Tuple2<LongWritable, Text>>, Iterator<T>> {
    private static final long serialVersionUID = 1;

    private final Task<T> task;

    Lines(Task<T> task) {
        this.task = task;
    }

    @Override
    public Iterator<T> call(InputSplit split, Iterator<Tuple2<LongWritable, Text>> lines)
            throws IOException {
        if (!lines.hasNext()) {
            return task.run(name((FileSplit) split, 0), into -> { });
        }
        Tuple2<LongWritable, Text> first = lines.next();
        return task.run(name((FileSplit) split, first._1().get()), into -> {
            write(first._2(), into);
            while (lines.hasNext()) {
                write(lines.next()._2(), into);
            }
        });
    }

    private static void write(Text line, OutputStream into) throws IOException {
        into.write(line.getBytes(), 0, line.getLength());
        into.write('\n');
    }

    /** What messages and dead letters call the records of this task. */
    private static String name(FileSplit split, long start) {
        String path = split.getPath().toString();
        return start == 0 ? path : String.format("%s from byte %,d on", path, start);
    }
}
