package host.spark;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

import org.apache.spark.SparkFiles;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;

/**
 * One run of the program in a task: records go into its standard input while what it writes comes
 * out as blocks, and behind that its dead letters. It has no effect but these, so a task can be
 * tried again, or twice at once.
 *
 * <p>Where it fails, {@link #next} throws, and nothing that came before may be made visible.
 */
final class Run implements Iterator<Block>, Closeable {
    /** Puts records into the program. */
    interface Feeder {
        void feed(OutputStream into) throws IOException;
    }

    private static final int BLOCK = 1 << 18;
    /** How much of what the program says is kept where it fails, in bytes: the end of it. */
    private static final int WORDS = 1 << 14;
    /** The exit code where all is done, but more records have failed than it was allowed. */
    private static final int MANY_FAILED = 4;

    private static boolean isCompiled;

    private final Path directory;
    private final Process process;
    private final Thread feeding;
    /** It has all records. */
    private volatile boolean isFed;
    /** Why it cannot have them. */
    private volatile Throwable notFed;
    /** What is read now: the program's output, and then dead letters. */
    private InputStream source;
    private boolean isAtDeadLetters;
    private Block next;
    private Counts counts;

    /**
     * Starts it.
     *
     * @param arguments what it is to do, besides what it is told in any task
     * @param keepsDeadLetters records that fail are kept aside
     * @param feeder gives it its standard input, on a thread of its own; null where it has none
     */
    Run(Spec spec, List<String> arguments, boolean keepsDeadLetters, Feeder feeder)
            throws IOException {
        File root = root();
        directory = Files.createTempDirectory("host-task-");
        TaskContext.get().addTaskCompletionListener((TaskCompletionListener) context -> close());
        List<String> command = new ArrayList<>();
        command.add(new File(root, spec.program).getPath());
        command.addAll(arguments);
        command.addAll(Arrays.asList("--cache", new File(root, "host-cache").getPath()));
        if (feeder != null) {
            compile(root, command);
        }
        command.addAll(Arrays.asList("--stats", directory.resolve("stats").toString()));
        if (keepsDeadLetters) {
            command.addAll(Arrays.asList("--dead-letters", letters().toString()));
        }
        process = start(root, command);
        source = process.getInputStream();
        feeding = new Thread(() -> feed(feeder), "feeding host");
        feeding.setDaemon(true);
        feeding.start();
    }

    /**
     * Starts it over the records of a task.
     *
     * @param name what messages and dead letters call them
     * @param more what else it is told
     */
    static Run over(Spec spec, String name, Feeder records, String... more) throws IOException {
        List<String> arguments = new ArrayList<>(spec.arguments);
        arguments.addAll(Arrays.asList("--stdin-name", name));
        arguments.addAll(Arrays.asList(more));
        return new Run(spec, arguments, spec.deadLetters != null, records);
    }

    /** Where Spark has put the files of the job, and where their names lead from. */
    static File root() {
        return new File(SparkFiles.getRootDirectory()).getAbsoluteFile();
    }

    /**
     * The first task of an executor compiles the plugins, which is kept for the others: they wait,
     * and do not all do the same.
     */
    private void compile(File root, List<String> command) throws IOException {
        synchronized (Run.class) {
            if (isCompiled) {
                return;
            }
            List<String> dry = new ArrayList<>(command);
            dry.add("--dry-run");
            Process process = start(root, dry);
            process.getOutputStream().close();
            drained(process.getInputStream());
            check(await(process));
            isCompiled = true;
        }
    }

    private Process start(File root, List<String> command) throws IOException {
        return new ProcessBuilder(command)
                .directory(root)
                .redirectError(directory.resolve("said").toFile())
                .start();
    }

    private Path letters() {
        return directory.resolve("dead-letters");
    }

    private void feed(Feeder feeder) {
        OutputStream pipe = process.getOutputStream();
        try {
            if (feeder != null) {
                OutputStream into = new BufferedOutputStream(new Pipe(pipe), BLOCK);
                feeder.feed(into);
                into.flush();
            }
            isFed = true;
        } catch (Closed closed) {
            // It reads no more: it has ended, and says why itself.
        } catch (Throwable trouble) {
            // It must not take what has come for all that there is.
            notFed = trouble;
            process.destroyForcibly();
        }
        try {
            pipe.close();
        } catch (IOException closed) {
            // As above.
        }
    }

    /** The program has closed its standard input. */
    private static final class Closed extends IOException {
        private static final long serialVersionUID = 1;
    }

    /** Tells trouble with the program from trouble with what is read. */
    private static final class Pipe extends OutputStream {
        private final OutputStream pipe;

        Pipe(OutputStream pipe) {
            this.pipe = pipe;
        }

        @Override
        public void write(int single) throws IOException {
            write(new byte[] {(byte) single}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
            try {
                pipe.write(bytes, from, length);
            } catch (IOException closed) {
                throw new Closed();
            }
        }
    }

    @Override
    public boolean hasNext() {
        if (next == null && source != null) {
            try {
                next = read();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
        return next != null;
    }

    @Override
    public Block next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        Block block = next;
        next = null;
        return block;
    }

    /** What became of records; there is an answer once there is no further block. */
    Counts counts() {
        return counts;
    }

    private Block read() throws IOException {
        byte[] bytes = new byte[BLOCK];
        while (true) {
            int count;
            try {
                count = source.read(bytes);
            } catch (IOException error) {
                // What ends the program closes what it wrote.
                throw notFed == null ? error : notRead();
            }
            if (count > 0) {
                return new Block(isAtDeadLetters, Arrays.copyOf(bytes, count));
            }
            source.close();
            if (isAtDeadLetters) {
                source = null;
                return null;
            }
            finish();
            isAtDeadLetters = true;
            if (!Files.exists(letters())) {
                source = null;
                return null;
            }
            source = Files.newInputStream(letters());
        }
    }

    /** The output is at its end: is all well? */
    private void finish() throws IOException {
        int code = await(process);
        try {
            feeding.join();
        } catch (InterruptedException interrupted) {
            throw ended(interrupted);
        }
        if (notFed != null) {
            throw notRead();
        }
        check(code == MANY_FAILED ? 0 : code);
        if (!isFed) {
            throw new IOException("host has not read all records, and did not say why");
        }
        counts = Counts.ofStats(Files.readAllBytes(directory.resolve("stats")));
    }

    private IOException notRead() {
        return new IOException("the records cannot be read to their end", notFed);
    }

    private int await(Process process) throws IOException {
        try {
            return process.waitFor();
        } catch (InterruptedException interrupted) {
            process.destroyForcibly();
            throw ended(interrupted);
        }
    }

    private static IOException ended(InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        return new IOException("the task was ended", interrupted);
    }

    private void check(int code) throws IOException {
        if (code == 0) {
            return;
        }
        byte[] said = Files.readAllBytes(directory.resolve("said"));
        int from = Math.max(0, said.length - WORDS);
        String words = new String(said, from, said.length - from, StandardCharsets.UTF_8).trim();
        if (words.isEmpty()) {
            words = "host ended with exit code " + code;
        }
        Path stats = directory.resolve("stats");
        boolean isOfRecord = Files.exists(stats) && Counts.failsForGood(Files.readAllBytes(stats));
        throw isOfRecord ? new RecordFailed(words) : new Failed(words);
    }

    /** All that a process writes, to its end, where that is not much. */
    static byte[] drained(InputStream source) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        byte[] bytes = new byte[1 << 12];
        for (int count = source.read(bytes); count >= 0; count = source.read(bytes)) {
            all.write(bytes, 0, count);
        }
        source.close();
        return all.toByteArray();
    }

    /** All that comes out, where it is not large. */
    byte[] readAll(List<Block> letters) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        while (hasNext()) {
            Block block = next();
            if (block.isOfDeadLetters) {
                letters.add(block);
            } else {
                bytes.write(block.bytes, 0, block.bytes.length);
            }
        }
        return bytes.toByteArray();
    }

    /** Ends it, if it has not, and takes away what it kept. */
    @Override
    public void close() {
        if (process != null) {
            process.destroyForcibly();
        }
        File[] files = directory.toFile().listFiles();
        for (File file : files == null ? new File[0] : files) {
            file.delete();
        }
        directory.toFile().delete();
    }
}
