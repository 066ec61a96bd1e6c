package host.spark;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Which files are read, in which order. */
final class Inputs {
    private Inputs() {
    }

    /**
     * The files that a name means: itself, those below it where it is a directory, or those that a
     * glob fits; by name, so that the order of records does not depend on the file system. What
     * begins with a dot or an underscore is left out below directories, as Spark does.
     *
     * @throws FileNotFoundException there are none
     */
    static List<Path> named(String name, Configuration configuration) throws IOException {
        Path path = new Path(name);
        FileSystem system = path.getFileSystem(configuration);
        FileStatus[] found = system.globStatus(path);
        List<Path> files = new ArrayList<>();
        if (found != null) {
            for (FileStatus one : sorted(found)) {
                gather(system, one, files);
            }
        }
        if (files.isEmpty()) {
            throw new FileNotFoundException("there is no file " + name);
        }
        return files;
    }

    private static void gather(FileSystem system, FileStatus one, List<Path> files)
            throws IOException {
        if (one.isFile()) {
            files.add(one.getPath());
            return;
        }
        for (FileStatus below : sorted(system.listStatus(one.getPath()))) {
            String name = below.getPath().getName();
            if (!name.startsWith(".") && !name.startsWith("_")) {
                gather(system, below, files);
            }
        }
    }

    private static List<FileStatus> sorted(FileStatus[] found) {
        List<FileStatus> sorted = new ArrayList<>(Arrays.asList(found));
        sorted.sort((one, other) ->
                one.getPath().getName().compareTo(other.getPath().getName()));
        return sorted;
    }
}
