package host.spark;

import java.io.IOException;
import java.util.Iterator;

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
        Run run = Run.over(spec, name, records);
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
