package host.spark;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

import org.apache.hadoop.io.NullWritable;
import org.apache.spark.api.java.function.PairFlatMapFunction;

import scala.Tuple2;

/** What a reduce comes to: its records, and what was kept aside on the way there. */
final class Result
        implements PairFlatMapFunction<Tuple2<Integer, State>, NullWritable, Block> {
    private static final long serialVersionUID = 1;

    private final Total total;

    Result(Total total) {
        this.total = total;
    }

    @Override
    public Iterator<Tuple2<NullWritable, Block>> call(Tuple2<Integer, State> numbered) {
        State state = numbered._2();
        total.add(state.counts);
        List<Tuple2<NullWritable, Block>> blocks = new ArrayList<>();
        blocks.add(new Tuple2<>(NullWritable.get(), new Block(false, state.bytes)));
        for (Block letters : state.deadLetters) {
            blocks.add(new Tuple2<>(NullWritable.get(), letters));
        }
        return blocks.iterator();
    }
}
