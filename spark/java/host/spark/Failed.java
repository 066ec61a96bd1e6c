package host.spark;

/** The program ended in a task with an error of its own, which is this one's message. */
public class Failed extends RuntimeException {
    private static final long serialVersionUID = 1;

    Failed(String message) {
        super(message);
    }

    /** The message of such an error in what Spark tells of a task, with traces; null: none. */
    static String wordsIn(String told) {
        String words = wordsIn(told, RecordFailed.class);
        return words != null ? words : wordsIn(told, Failed.class);
    }

    static String wordsIn(String told, Class<? extends Failed> kind) {
        String mark = kind.getName() + ": ";
        int at = told.indexOf(mark);
        return at < 0 ? null : untilTrace(told.substring(at + mark.length()));
    }

    static String untilTrace(String told) {
        int trace = told.indexOf("\n\tat ");
        return trace < 0 ? told : told.substring(0, trace);
    }
}
