package host.spark;

import org.apache.spark.util.AccumulatorV2;

/**
 * The accounts of tasks, added up. Spark counts each task of an action once, however often it was
 * tried; so this is only given to tasks of actions.
 */
public final class Total extends AccumulatorV2<Counts, Counts> {
    private static final long serialVersionUID = 1;

    private Counts counts = new Counts();

    @Override
    public boolean isZero() {
        return counts.tasks == 0;
    }

    @Override
    public AccumulatorV2<Counts, Counts> copy() {
        Total copy = new Total();
        copy.merge(this);
        return copy;
    }

    @Override
    public void reset() {
        counts = new Counts();
    }

    @Override
    public void add(Counts more) {
        counts.add(more);
    }

    @Override
    public void merge(AccumulatorV2<Counts, Counts> other) {
        counts.add(other.value());
    }

    @Override
    public Counts value() {
        return counts;
    }
}
