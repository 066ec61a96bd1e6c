package host.spark;

import java.io.Serializable;
import java.util.List;

/** What a reduce has come to over some records that stand together. */
final class State implements Serializable {
    private static final long serialVersionUID = 1;

    /** What the program writes with `--partial-state`; at the end, the records. */
    final byte[] bytes;
    final List<Block> deadLetters;
    final Counts counts;

    State(byte[] bytes, List<Block> deadLetters, Counts counts) {
        this.bytes = bytes;
        this.deadLetters = deadLetters;
        this.counts = counts;
    }
}
