package host.spark;

/** A record failed in a task, and would fail in any other attempt. */
public final class RecordFailed extends Failed {
    private static final long serialVersionUID = 1;

    RecordFailed(String message) {
        super(message);
    }
}
