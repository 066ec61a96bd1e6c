package host.spark;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.NullWritable;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.mapred.FileAlreadyExistsException;
import org.apache.hadoop.mapreduce.Job;
import org.apache.hadoop.mapreduce.lib.input.FileInputFormat;
import org.apache.hadoop.mapreduce.lib.input.TextInputFormat;
import org.apache.hadoop.mapreduce.lib.output.FileOutputFormat;
import org.apache.hadoop.util.ShutdownHookManager;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.spark.api.java.JavaNewHadoopRDD;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StructType;

/**
 * What `host spark` has spark-submit run: reads with Spark, has `host` process what a task reads,
 * and writes with Spark.
 *
 * <p>It exits with the codes of `host`: 0 where all is well, 1 where a record or the job failed, 2
 * where it could not begin, 3 where an executor lacks a part of the sandbox, 4 where more records
 * failed than were to.
 */
public final class Driver {
    /** How Spark writes moments as JSON, and reads them again, without losing a part. */
    private static final String MOMENTS = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX";
    private static final String LOCAL_MOMENTS = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS";

    /** How much Spark says, unless `host spark` was told otherwise. */
    private static final String LEVEL = "WARN";

    private static final String TIMESTAMPS = "spark.sql.parquet.outputTimestampType";

    private final Spec spec;
    private final SparkSession session;
    private final JavaSparkContext context;
    private final Configuration configuration;
    private final Total total = new Total();
    private final Attempts attempts;
    private final Unfinished unfinished;

    private Driver(Spec spec, SparkSession session) {
        this.spec = spec;
        this.session = session;
        this.context = JavaSparkContext.fromSparkContext(session.sparkContext());
        this.configuration = context.hadoopConfiguration();
        this.attempts = new Attempts(context.sc()::cancelAllJobs);
        this.unfinished = new Unfinished(configuration);
    }

    /** Does what the one argument says, which is a {@link Spec} as JSON. */
    public static void main(String[] arguments) throws IOException {
        Spec spec = Spec.read(arguments[0]);
        SparkSession session = SparkSession.builder().getOrCreate();
        if (LEVEL.equals(session.conf().get("spark.log.level", ""))) {
            // Failed tasks and their traces: what there is to say of them is said here.
            Configurator.setLevel("org.apache.spark.scheduler.TaskSetManager", Level.OFF);
            Configurator.setLevel("org.apache.spark.internal.io.SparkHadoopWriter", Level.OFF);
        }
        Driver driver = new Driver(spec, session);
        int code = 1;
        try {
            code = driver.run();
        } catch (Refused refused) {
            code = refused.code;
            System.err.println("error: " + refused.getMessage());
        } catch (Exception error) {
            // What a signal has brought about is told by those who clean up.
            if (!ShutdownHookManager.get().isShutdownInProgress()) {
                System.err.println(driver.words(error));
            }
        }
        driver.unfinished.isOver();
        session.stop();
        if (code != 0) {
            // YARN takes any call of this for a failure.
            System.exit(code);
        }
    }

    /** What cannot be done, before anything was. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        final int code;

        Refused(int code, String message) {
            super(message);
            this.code = code;
        }

        Refused(String message) {
            this(2, message);
        }
    }

    /**
     * What went wrong, in a few words: what `host` said in a task, or the innermost reason that
     * Spark has.
     */
    private String words(Throwable error) {
        String ofRecord = attempts.recordFailed();
        if (ofRecord != null) {
            return ofRecord;
        }
        Throwable innermost = error;
        for (Throwable one = error; one != null; one = one.getCause()) {
            innermost = one;
            if (one instanceof Failed) {
                return one.getMessage();
            }
            String said = Failed.wordsIn(String.valueOf(one.getMessage()));
            if (said != null) {
                return said;
            }
        }
        return "error: " + Failed.untilTrace(String.valueOf(innermost.getMessage()));
    }

    private int run() throws IOException, Refused {
        context.sc().register(total, "what became of records");
        context.sc().addSparkListener(attempts);
        if (!session.conf().contains(TIMESTAMPS)) {
            // What Spark writes otherwise is known to few others.
            session.conf().set(TIMESTAMPS, "TIMESTAMP_MICROS");
        }
        if (spec.check) {
            Executors executors = Executors.ask(context, spec);
            System.err.print(executors);
            String unfit = executors.unfit();
            if (unfit != null) {
                throw new Refused(3, unfit);
            }
        }
        if (spec.inputs.isEmpty()) {
            return 0;
        }
        Path output = absent(spec.output);
        Path letters = spec.deadLetters == null ? null : lettersFor(output);
        // Rows are made of lines that are whole, so that a schema can be found and no plugin
        // runs twice.
        boolean isWritten = isOfLines(spec.to);
        Path lines = isWritten ? output : beside(output);
        Dataset<Row> rows = isOfLines(spec.from) ? null : rows();
        write(rows, lines);
        if (letters != null) {
            moveDeadLetters(lines, unfinished.begin(letters));
        }
        if (!isWritten) {
            writeRows(lines, rows, unfinished.begin(absent(spec.output)));
        }
        unfinished.finish(output);
        if (letters != null) {
            unfinished.finish(letters);
        }
        Counts counts = total.value();
        if (!spec.quiet) {
            System.err.println("host: " + counts + attempts);
        }
        return counts.areWithin(spec.maxErrors) ? 0 : 4;
    }

    /** A directory that is to be written. */
    private Path absent(String name) throws IOException, Refused {
        Path path = new Path(name);
        if (system(path).exists(path)) {
            throw new Refused(name + " is there already, and nothing is written over:"
                    + " name another directory, or remove it");
        }
        return path;
    }

    private Path lettersFor(Path output) throws IOException, Refused {
        if (!system(new Path(spec.deadLetters)).getUri().equals(system(output).getUri())) {
            throw new Refused("dead letters are moved to their place when all is done, so "
                    + spec.deadLetters + " must be on the file system of " + spec.output);
        }
        return absent(spec.deadLetters);
    }

    private FileSystem system(Path path) throws IOException {
        return path.getFileSystem(configuration);
    }

    /** Where lines wait that are to become rows. */
    private Path beside(Path output) {
        String name = output.getName() + ".lines-" + context.sc().applicationId();
        return new Path(output.getParent(), name);
    }

    private static boolean isOfLines(String format) {
        return format.equals("ndjson") || format.equals("lines");
    }

    /** How fields stand in rows of text. */
    private static Map<String, String> rules(String format) {
        Map<String, String> options = new HashMap<>();
        options.put("header", "true");
        options.put("sep", format.equals("tsv") ? "\t" : ",");
        options.put("quote", "\"");
        options.put("escape", "\"");
        return options;
    }

    // Reading.

    /** What comes of each task, of whatever is read. */
    private <T> JavaRDD<T> run(Dataset<Row> rows, Task<T> task) throws IOException, Refused {
        if (rows != null) {
            String of = String.join(", ", spec.inputs);
            return json(rows).toJavaRDD().mapPartitions(new Rows<>(task, of));
        }
        JavaNewHadoopRDD<LongWritable, Text> lines =
                (JavaNewHadoopRDD<LongWritable, Text>) lines();
        return lines.mapPartitionsWithInputSplit(new Lines<>(task), false);
    }

    private JavaPairRDD<LongWritable, Text> lines() throws IOException, Refused {
        Job job = Job.getInstance(configuration);
        Configuration reading = job.getConfiguration();
        // A carriage return is part of a line, as it is for `host`.
        reading.set("textinputformat.record.delimiter", "\n");
        if (spec.splitSize > 0) {
            FileInputFormat.setMaxInputSplitSize(job, spec.splitSize);
        }
        List<Path> files = new ArrayList<>();
        for (String input : spec.inputs) {
            try {
                files.addAll(Inputs.named(input, configuration));
            } catch (FileNotFoundException missing) {
                throw new Refused(missing.getMessage());
            }
        }
        FileInputFormat.setInputPaths(job, files.toArray(new Path[0]));
        return context.newAPIHadoopRDD(
                reading, TextInputFormat.class, LongWritable.class, Text.class);
    }

    private Dataset<Row> rows() {
        String[] inputs = spec.inputs.toArray(new String[0]);
        DataFrameReader reader = session.read();
        if (spec.from.equals("parquet")) {
            return reader.parquet(inputs);
        }
        return reader.options(rules(spec.from))
                .option("multiLine", Boolean.toString(spec.multiLine))
                .option("mode", "FAILFAST")
                .csv(inputs);
    }

    /** Each row as an object with all its members. */
    private Dataset<String> json(Dataset<Row> rows) {
        List<Column> columns = new ArrayList<>();
        for (String name : rows.columns()) {
            Column column = rows.col("`" + name.replace("`", "``") + "`");
            if (!spec.from.equals("parquet")) {
                // Spark takes what is empty for nothing, and `host` for an empty text.
                column = functions.coalesce(column, functions.lit("")).as(name);
            }
            columns.add(column);
        }
        Column all = functions.struct(columns.toArray(new Column[0]));
        Map<String, String> options = new HashMap<>(moments());
        options.put("ignoreNullFields", "false");
        return rows.select(functions.to_json(all, options)).as(Encoders.STRING());
    }

    private static Map<String, String> moments() {
        Map<String, String> options = new HashMap<>();
        options.put("timestampFormat", MOMENTS);
        options.put("timestampNTZFormat", LOCAL_MOMENTS);
        return options;
    }

    // Writing.

    private void write(Dataset<Row> rows, Path output) throws IOException, Refused {
        JavaPairRDD<NullWritable, Block> blocks;
        if (spec.reduces) {
            JavaPairRDD<Integer, State> states =
                    JavaPairRDD.fromJavaRDD(run(rows, new Folding(spec)));
            blocks = Merging.all(spec, states).flatMapToPair(new Result(total));
        } else {
            blocks = JavaPairRDD.fromJavaRDD(run(rows, new Writing(spec, total)));
        }
        Job job = Job.getInstance(configuration);
        job.setOutputFormatClass(Parts.class);
        job.setOutputKeyClass(NullWritable.class);
        job.setOutputValueClass(Block.class);
        job.getConfiguration().set(Parts.EXTENSION, spec.to.equals("lines") ? ".txt" : ".ndjson");
        FileOutputFormat.setOutputPath(job, output);
        unfinished.begin(output);
        try {
            blocks.saveAsNewAPIHadoopDataset(job.getConfiguration());
        } catch (Exception error) {
            // Scala does not say that it may throw this one.
            if (error instanceof FileAlreadyExistsException) {
                // It is another's, who was quicker.
                unfinished.finish(output);
            }
            throw error;
        }
    }

    private void moveDeadLetters(Path written, Path to) throws IOException {
        Path from = new Path(written, Parts.DEAD_LETTERS);
        FileSystem system = system(to);
        if (to.getParent() != null) {
            system.mkdirs(to.getParent());
        }
        boolean isThere = system(from).exists(from);
        if (!(isThere ? system.rename(from, to) : system.mkdirs(to))) {
            throw new IOException("dead letters cannot be moved from " + from + " to " + to);
        }
    }

    private void writeRows(Path lines, Dataset<Row> read, Path output) {
        DataFrameReader reader = session.read().options(moments()).option("mode", "FAILFAST");
        if (spec.to.equals("parquet")) {
            if (spec.schema != null) {
                reader = reader.schema(spec.schema);
            } else if (spec.filters && read != null) {
                reader = reader.schema(read.schema());
            }
            reader.json(lines.toString()).write().parquet(output.toString());
            return;
        }
        // Where nobody names them, `host spark` has seen to it that rows were read.
        List<String> columns = spec.columns != null ? spec.columns : Arrays.asList(read.columns());
        StructType schema = new StructType();
        for (String column : columns) {
            schema = schema.add(column, "string");
        }
        reader.schema(schema)
                .json(lines.toString())
                .write()
                .options(rules(spec.to))
                .option("emptyValue", "")
                .option("ignoreLeadingWhiteSpace", "false")
                .option("ignoreTrailingWhiteSpace", "false")
                .csv(output.toString());
    }
}
