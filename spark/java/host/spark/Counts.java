package host.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.io.Serializable;
import java.util.Locale;

/** What became of records: the account of one run of the program, or the sum of several. */
final class Counts implements Serializable {
    private static final long serialVersionUID = 1;

    long read;
    long used;
    long dropped;
    long skipped;
    long deadLettered;
    long written;
    long bytes;
    long tasks;

    /** Reads what the program writes with `--stats`. */
    static Counts ofStats(byte[] json) throws IOException {
        JsonNode stats = new ObjectMapper().readTree(json);
        JsonNode records = stats.path("records");
        Counts counts = new Counts();
        counts.read = records.path("read").longValue();
        counts.used = records.path("used").longValue();
        counts.dropped = records.path("dropped").longValue();
        counts.skipped = records.path("skipped").longValue();
        counts.deadLettered = records.path("dead_lettered").longValue();
        counts.written = stats.path("output").path("records").longValue();
        counts.bytes = stats.path("output").path("bytes").longValue();
        counts.tasks = 1;
        return counts;
    }

    /**
     * Whether a record ended the run that wrote this, and none that may do better where there is
     * more time or memory.
     */
    static boolean failsForGood(byte[] json) throws IOException {
        JsonNode stats = new ObjectMapper().readTree(json);
        JsonNode failures = stats.path("failures");
        return stats.path("records").path("failed").longValue() > 0
                && failures.path("timeout").longValue() == 0
                && failures.path("crash").longValue() == 0;
    }

    void add(Counts other) {
        read += other.read;
        used += other.used;
        dropped += other.dropped;
        skipped += other.skipped;
        deadLettered += other.deadLettered;
        written += other.written;
        bytes += other.bytes;
        tasks += other.tasks;
    }

    long failed() {
        return skipped + deadLettered;
    }

    /** Whether as many may fail as did: of `10` or `0.5%`. */
    boolean areWithin(String maxErrors) {
        if (maxErrors.endsWith("%")) {
            double share = Double.parseDouble(maxErrors.substring(0, maxErrors.length() - 1));
            return failed() * 100.0 <= share * read;
        }
        return failed() <= Long.parseLong(maxErrors);
    }

    /** The account in a line, as `host` itself tells it. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        text.append(number(read)).append(read == 1 ? " record" : " records").append(" read: ");
        text.append(number(used)).append(" kept, ").append(number(dropped)).append(" dropped");
        if (skipped > 0) {
            text.append(", ").append(number(skipped)).append(" skipped");
        }
        if (deadLettered > 0) {
            text.append(", ").append(number(deadLettered)).append(" dead-lettered");
        }
        text.append("; ").append(number(written));
        text.append(written == 1 ? " record" : " records").append(" written; ");
        return text.append(number(tasks)).append(tasks == 1 ? " task" : " tasks").toString();
    }

    private static String number(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }
}
