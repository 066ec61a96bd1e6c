package host.spark;

import java.io.IOException;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.util.ShutdownHookManager;

/**
 * Directories that are there before they are whole. Those that still are so when the driver ends,
 * by whatever but a kill that cannot be caught, are taken away, so that nobody takes them for
 * results and the same command can be given again.
 */
final class Unfinished {
    /** Behind Spark, which ends tasks, and before Hadoop closes its file systems. */
    private static final int PRIORITY = 20;

    private final Configuration configuration;
    private final Set<Path> paths = new ConcurrentSkipListSet<>();
    private volatile boolean isOver;

    Unfinished(Configuration configuration) {
        this.configuration = configuration;
        ShutdownHookManager.get().addShutdownHook(this::takeAway, PRIORITY);
    }

    /** What is there is not whole from now on. */
    Path begin(Path path) {
        paths.add(path);
        return path;
    }

    /** It is whole. */
    void finish(Path path) {
        paths.remove(path);
    }

    /** The job has come to its end, unless that is because the driver is being ended. */
    void isOver() {
        isOver = !ShutdownHookManager.get().isShutdownInProgress();
    }

    private void takeAway() {
        if (!isOver) {
            System.err.println("error: the job was ended before it was done,"
                    + " and nothing is left of what it wrote");
        }
        for (Path path : paths) {
            try {
                path.getFileSystem(configuration).delete(path, true);
            } catch (IOException error) {
                System.err.println("host: " + path + " could not be removed: " + error);
            }
        }
    }
}
