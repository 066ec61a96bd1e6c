package host.spark;

import java.io.IOException;
import java.io.OutputStream;

import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.NullWritable;
import org.apache.hadoop.mapreduce.RecordWriter;
import org.apache.hadoop.mapreduce.TaskAttemptContext;
import org.apache.hadoop.mapreduce.lib.output.FileOutputFormat;
import org.apache.hadoop.mapreduce.lib.output.PathOutputCommitter;

/**
 * Writes blocks as they are: a file for each task, and one beside it where the task has dead
 * letters. Both are of the task's attempt, so the committer of the file system makes both visible
 * or neither, and those of one attempt only.
 */
public final class Parts extends FileOutputFormat<NullWritable, Block> {
    /** Below the output, until the job is done. A name that readers of directories pass over. */
    static final String DEAD_LETTERS = "_dead-letters";
    /** What the names of files end in. */
    static final String EXTENSION = "host.spark.extension";

    @Override
    public RecordWriter<NullWritable, Block> getRecordWriter(TaskAttemptContext context)
            throws IOException {
        Path work = ((PathOutputCommitter) getOutputCommitter(context)).getWorkPath();
        int number = context.getTaskAttemptID().getTaskID().getId();
        String part = String.format("part-%05d", number);
        Path output = new Path(work, part + context.getConfiguration().get(EXTENSION, ""));
        Path letters = new Path(new Path(work, DEAD_LETTERS), part + ".ndjson");
        return new Writer(context, output, letters);
    }

    private static final class Writer extends RecordWriter<NullWritable, Block> {
        private final TaskAttemptContext context;
        private final Path lettersPath;
        private final OutputStream output;
        /** Only there where there are some. */
        private OutputStream letters;

        Writer(TaskAttemptContext context, Path output, Path letters) throws IOException {
            this.context = context;
            this.lettersPath = letters;
            this.output = create(output);
        }

        private OutputStream create(Path path) throws IOException {
            return path.getFileSystem(context.getConfiguration()).create(path, false);
        }

        @Override
        public void write(NullWritable none, Block block) throws IOException {
            if (!block.isOfDeadLetters) {
                output.write(block.bytes);
                return;
            }
            if (letters == null) {
                letters = create(lettersPath);
            }
            letters.write(block.bytes);
        }

        @Override
        public void close(TaskAttemptContext context) throws IOException {
            output.close();
            if (letters != null) {
                letters.close();
            }
        }
    }
}
