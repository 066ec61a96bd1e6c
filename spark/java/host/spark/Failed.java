package host.spark;

/** The program ended in a task with an error of its own, which is this one's message. */
public final class Failed extends RuntimeException {
    private static final long serialVersionUID = 1;

    Failed(String message) {
        super(message);
    }
}
