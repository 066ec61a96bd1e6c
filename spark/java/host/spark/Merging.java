package host.spark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;

import org.apache.spark.Partitioner;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.function.PairFlatMapFunction;

import scala.Tuple2;

/**
 * Merges states that stand together, in their order, by `host merge`: as many at a time as
 * {@link #GROUP} says, and what comes of them again, until there are no more than that.
 */
final class Merging
        implements PairFlatMapFunction<Iterator<Tuple2<Integer, State>>, Integer, State> {
    private static final long serialVersionUID = 1;

    /** How many states one task merges. */
    private static final int GROUP = 64;

    private final Spec spec;
    private final boolean isLast;

    private Merging(Spec spec, boolean isLast) {
        this.spec = spec;
        this.isLast = isLast;
    }

    /** Merges all: what is left are the records of the result, and all dead letters. */
    static JavaPairRDD<Integer, State> all(Spec spec, JavaPairRDD<Integer, State> states) {
        int count = states.getNumPartitions();
        while (count > GROUP) {
            Groups groups = new Groups(count);
            states = states.repartitionAndSortWithinPartitions(groups)
                    .mapPartitionsToPair(new Merging(spec, false));
            count = groups.numPartitions();
        }
        return states.repartitionAndSortWithinPartitions(new Groups(count))
                .mapPartitionsToPair(new Merging(spec, true));
    }

    /** Neighbours come together. */
    private static final class Groups extends Partitioner {
        private static final long serialVersionUID = 1;

        private final int states;

        Groups(int states) {
            this.states = states;
        }

        @Override
        public int numPartitions() {
            return Math.max(1, (states + GROUP - 1) / GROUP);
        }

        @Override
        public int getPartition(Object number) {
            return (Integer) number / GROUP;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Groups && ((Groups) other).states == states;
        }

        @Override
        public int hashCode() {
            return states;
        }
    }

    @Override
    public Iterator<Tuple2<Integer, State>> call(Iterator<Tuple2<Integer, State>> states)
            throws IOException {
        Path directory = Files.createTempDirectory("host-states-");
        List<Path> files = new ArrayList<>();
        try {
            List<Block> letters = new ArrayList<>();
            Counts counts = new Counts();
            while (states.hasNext()) {
                State state = states.next()._2();
                Path file = directory.resolve(String.format("%05d.state", files.size()));
                Files.write(file, state.bytes);
                files.add(file);
                letters.addAll(state.deadLetters);
                counts.add(state.counts);
            }
            State merged = new State(merge(files, counts), letters, counts);
            return Collections.singletonList(new Tuple2<>(TaskContext.getPartitionId(), merged))
                    .iterator();
        } finally {
            for (Path file : files) {
                Files.deleteIfExists(file);
            }
            Files.delete(directory);
        }
    }

    private byte[] merge(List<Path> files, Counts counts) throws IOException {
        List<String> arguments = new ArrayList<>(spec.mergeArguments);
        arguments.add(0, "merge");
        if (!isLast) {
            arguments.add("--partial-state");
        }
        for (Path file : files) {
            arguments.add(file.toString());
        }
        Run run = new Run(spec, arguments, false, null);
        byte[] bytes = run.readAll(new ArrayList<>());
        if (isLast) {
            counts.written = run.counts().written;
        }
        return bytes;
    }
}
