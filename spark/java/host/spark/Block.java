package host.spark;

import java.io.Serializable;

/** Some bytes of what a task writes, in their order, and to which of its two files they belong. */
final class Block implements Serializable {
    private static final long serialVersionUID = 1;

    final boolean isOfDeadLetters;
    final byte[] bytes;

    Block(boolean isOfDeadLetters, byte[] bytes) {
        this.isOfDeadLetters = isOfDeadLetters;
        this.bytes = bytes;
    }
}
