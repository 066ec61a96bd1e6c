package host.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;

import org.apache.spark.TaskContext;

import scala.Tuple2;

/** The records of a task are folded into one state, which has the task's number. */
final class Folding implements Task<Tuple2<Integer, State>> {
    private static final long serialVersionUID = 1;

    private final Spec spec;

    Folding(Spec spec) {
        this.spec = spec;
    }

    @Override
    public Iterator<Tuple2<Integer, State>> run(String name, Run.Feeder records)
            throws IOException {
        List<Block> letters = new ArrayList<>();
        Run run = Run.over(spec, name, records, "--partial-state");
        byte[] bytes = run.readAll(letters);
        State state = new State(bytes, letters, run.counts());
        return Collections.singletonList(new Tuple2<>(TaskContext.getPartitionId(), state))
                .iterator();
    }
}
