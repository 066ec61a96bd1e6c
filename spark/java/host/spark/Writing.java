package host.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;

import org.apache.hadoop.io.NullWritable;

import scala.Tuple2;

/** Of the records of a task come records and dead letters, which it writes. */
final class Writing implements Task<Tuple2<NullWritable, Block>> {
    private static final long serialVersionUID = 1;

    private final Spec spec;
    private final Total total;

    Writing(Spec spec, Total total) {
        this.spec = spec;
        this.total = total;
    }

    @Override
    public Iterator<Tuple2<NullWritable, Block>> run(String name, Run.Feeder records)
            throws IOException {
        List<String> arguments = new ArrayList<>(spec.arguments);
        arguments.addAll(Arrays.asList("--stdin-name", name));
        Run run = new Run(spec, arguments, spec.deadLetters != null, records);
        return new Iterator<Tuple2<NullWritable, Block>>() {
            private boolean isCounted;

            @Override
            public boolean hasNext() {
                boolean has = run.hasNext();
                if (!has && !isCounted) {
                    total.add(run.counts());
                    isCounted = true;
                }
                return has;
            }

            @Override
            public Tuple2<NullWritable, Block> next() {
                return new Tuple2<>(NullWritable.get(), run.next());
            }
        };
    }
}
