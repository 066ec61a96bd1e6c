package host.spark;

import java.io.IOException;
import java.io.Serializable;
import java.util.Iterator;

/** What is done with the records of a task, wherever they come from. */
interface Task<T> extends Serializable {
    /**
     * Runs the program over them.
     *
     * @param name what messages and dead letters call them
     * @param records puts them into the program, one line each
     */
    Iterator<T> run(String name, Run.Feeder records) throws IOException;
}
