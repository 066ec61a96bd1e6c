package host.spark;

import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.io.Serializable;
import java.util.List;

/**
 * What is to be done, as `host spark` writes it: one JSON object, the driver's only argument.
 * Paths are URIs that Hadoop knows, and programs and plugins are files of the Spark job, by their
 * names.
 */
public final class Spec implements Serializable {
    private static final long serialVersionUID = 1;

    /** The name of the program among the job's files. */
    public String program;
    /** Its arguments in every task: plugins, parameters, limits. */
    public List<String> arguments;
    /** Its arguments where states are merged. */
    public List<String> mergeArguments;
    /** Arguments of `host doctor`: what executors are asked about. */
    public List<String> doctorArguments;
    /** Files, directories or globs that are read; none where only executors are asked. */
    public List<String> inputs;
    /** The directory that is written. */
    public String output;
    /** How inputs are laid out: `ndjson`, `lines`, `csv` or `parquet`. */
    public String from;
    /** How the output is laid out, in the same words. */
    public String to;
    /** The columns of an output of CSV; null: those of the input. */
    public List<String> columns;
    /** The schema of an output of Parquet, as Spark's DDL; null: the input's, or what fits. */
    public String schema;
    /** Records stay what they are, or are left out. */
    public boolean filters;
    /** One result comes of all records. */
    public boolean reduces;
    /** The directory for dead letters, or null. */
    public String deadLetters;
    /** How many records may fail: a number, or, with a percent sign, a share of those read. */
    public String maxErrors;
    /** Bytes of a file that one task reads at most; 0: what the file system calls a block. */
    public long splitSize;
    /** Fields of CSV may have line breaks; then a file is read by one task. */
    public boolean multiLine;
    /** Ask executors what they allow, before anything is read. */
    public boolean check;
    /** Say nothing where all is well. */
    public boolean quiet;

    static Spec read(String json) throws IOException {
        return new ObjectMapper().readValue(json, Spec.class);
    }
}
