// What each worker was at, and when it died.

function timeline() {
  const lanes = data.workers.length;
  const row = Math.max(8, Math.min(26, 300 / lanes));
  const gap = Math.min(4, row / 4);
  const bar = row - gap;
  // What can be walked through, worker by worker and in the order of time.
  const points = data.workers.map((worker, at) =>
    [
      ...(worker.spans ?? []).map((span) => ({ from: span[0], to: span[0] + span[1], span })),
      ...(worker.spans
        ? []
        : worker.busy
            .map((busy, bucket) => ({
              from: bucket * data.buckets.width,
              to: (bucket + 1) * data.buckets.width,
              busy,
              done: worker.done[bucket],
            }))
            .filter((point) => point.busy > 0 || point.done > 0)),
      ...worker.lives
        .filter((life) => life.death)
        .map((life) => ({ from: life.ended - life.took, to: life.ended, life })),
    ]
      .sort((one, other) => one.from - other.from)
      .map((point) => ({ ...point, worker: at })),
  );
  const all = points.flat();
  const starts = points.map((_, at) => total(points.slice(0, at).map((own) => own.length)));
  // The last point of a worker that begins before this time.
  const at = (worker, time) => {
    let [low, high] = [0, points[worker].length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[worker][middle].from <= time) low = middle + 1;
      else high = middle;
    }
    return points[worker].length ? starts[worker] + Math.max(0, low - 1) : null;
  };
  const describe = (index) => {
    const point = all[index];
    const who = `Worker ${point.worker}, ${moment(point.from, Math.max(1, data.milestones.end / 1000))}`;
    if (point.life) {
      const { pid, death, lost, took } = point.life;
      return [
        `${who}: process ${pid} died`,
        death,
        lost && `lost: ${stretch(...lost)}, after ${microseconds(took)}`,
      ]
        .filter(Boolean)
        .join('\n');
    }
    if (point.span) {
      const [, took, id, from, to, records, failed] = point.span;
      return [
        `${who}, for ${microseconds(took)}`,
        stretch(id, from, to),
        `${many(records, 'record')}${failed > 0 ? `, ${count(failed)} failed` : ''}`,
      ].join('\n');
    }
    return [
      `${who} to ${moment(point.to, data.buckets.width)}`,
      `${percent(Math.min(1, point.busy / data.buckets.width))} busy`,
      `${many(point.done, 'range')} finished`,
    ].join('\n');
  };
  const help =
    'Left and right go through time, up and down to another worker. The tables below have the numbers.';
  return chart('Timeline of workers', help, (width) => {
    const top = 20;
    const height = row * lanes;
    const time = timeAxis(width, top + height);
    const y = (worker) => top + worker * row;
    const paths = { alive: '', first: '', 'first-too': '', second: '', bad: '' };
    const crosses = [];
    const block = (style, from, to, worker, share = 1) => {
      const x = time.x(from);
      paths[style] += rectangle(x, y(worker) + bar * (1 - share), Math.max(0.5, time.x(to) - x), bar * share);
    };
    for (const [number, worker] of data.workers.entries()) {
      for (const life of worker.lives) {
        block('alive', life.online, life.ended ?? data.milestones.end, number);
        if (life.death) {
          if (life.took > 0) block('bad', life.ended - life.took, life.ended, number, 0.35);
          const [x, middle, arm] = [time.x(life.ended), y(number) + bar / 2, Math.min(6, bar / 2)];
          crosses.push(
            `M${x - arm} ${middle - arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}`,
          );
        }
      }
      for (const [index, [start, took, , , , , failed]] of (worker.spans ?? []).entries()) {
        block(failed > 0 ? 'second' : index % 2 ? 'first-too' : 'first', start, start + took, number);
      }
      if (!worker.spans) {
        for (const [bucket, busy] of worker.busy.entries()) {
          const share = Math.min(1, busy / data.buckets.width);
          if (share > 0)
            block('first', bucket * data.buckets.width, (bucket + 1) * data.buckets.width, number, share);
        }
      }
    }
    const labels = Math.ceil(14 / row);
    const drawn = [
      ...Object.entries(paths).map(([style, d]) => svg('path', { class: style, d })),
      svg('path', { class: 'cross', d: crosses.join('') }),
      svg('text', { x: 0, y: 11 }, 'worker'),
      svg('line', { class: 'axis', x1: LEFT, x2: width - RIGHT, y1: top + height, y2: top + height }),
      ...data.workers
        .map(
          (_, number) =>
            number % labels === 0 &&
            svg('text', { x: LEFT - 8, y: y(number) + bar / 2 + 4, 'text-anchor': 'end' }, `${number}`),
        )
        .filter(Boolean),
      ...time.drawn,
    ];
    return {
      height: top + height + BOTTOM,
      drawn,
      points: all.length,
      describe,
      mark: (index) => {
        const { worker, from, to } = all[index];
        const [x, end] = [time.x(from), time.x(to)];
        const outline = svg('rect', {
          class: 'cursor',
          x: x - 1,
          y: y(worker) - 1,
          width: Math.max(3, end - x + 2),
          height: bar + 2,
        });
        return { marks: [outline], x: (x + end) / 2, y: y(worker), below: y(worker) + bar + 8 };
      },
      nearest: (x, down) => {
        const worker = Math.floor((down - top) / row);
        return worker < 0 || worker >= lanes ? null : at(worker, time.at(x));
      },
      turn: (index, by) => {
        let worker = all[index].worker;
        do worker += by;
        while (points[worker] && !points[worker].length);
        return points[worker] ? at(worker, (all[index].from + all[index].to) / 2) : index;
      },
    };
  });
}

function workers() {
  if (!stats.workers.length) {
    return section('workers', 'Workers', html('p', {}, 'No worker was started.'));
  }
  const shares = data.workers.map((worker) => {
    const there = presence(worker);
    return there > 0 ? percent(Math.min(1, total(worker.busy) / there)) : '–';
  });
  const parts = [];
  if (data.workers.length) {
    parts.push(
      legend(
        ['box', 'alive', 'online, waiting for work'],
        data.merged
          ? ['box', 'first', 'at work: as high as the share of the time']
          : ['box', 'first', 'a range, the next one lighter'],
        !data.merged && data.ranges.failed > 0 && ['box', 'second', 'a range with failed records'],
        deaths.length > 0 && ['cross', 'cross', 'the process died; what it was at is below the cross'],
      ),
      timeline(),
    );
  }
  if (data.merged) {
    parts.push(
      note(
        `There were ${many(data.ranges.count, 'range')}: too many to be told one by one, so they are put together in steps of ${microseconds(data.buckets.width)}.`,
      ),
    );
  }
  parts.push(
    table(
      'What each worker did',
      ['#worker', '#processes', '#busy', '#ranges', '#records', '#read', '#made', '#CPU'],
      stats.workers.map((worker, at) => [
        `${at}`,
        count(worker.processes),
        shares[at] ?? '–',
        count(worker.ranges),
        count(worker.records),
        bytes(worker.input_bytes),
        bytes(worker.output_bytes),
        microseconds(worker.cpu_seconds * 1e6),
      ]),
    ),
  );
  if (died > 0) {
    const rows = deaths
      .sort((one, other) => one.ended - other.ended)
      .map((death) => [
        moment(death.ended, 1000),
        `${death.worker}`,
        `${death.pid}`,
        death.death,
        death.lost ? name(stretch(...death.lost)) : 'nothing',
      ]);
    parts.push(
      html('h3', {}, 'Deaths'),
      table(
        'Workers that died, and what had to be done again',
        ['#at', '#worker', '#process', 'how', 'lost'],
        rows,
      ),
    );
    if (died > deaths.length)
      parts.push(
        note(
          `${many(died - deaths.length, 'more death')} ${died - deaths.length === 1 ? 'is' : 'are'} only counted.`,
        ),
      );
  }
  if (data.longest_ranges.length) {
    const rows = data.longest_ranges.map(([worker, [start, took, id, from, to, records]]) => [
      microseconds(took),
      `${worker}`,
      moment(start, 1000),
      count(records),
      bytes(to - from),
      name(stretch(id, from, to)),
    ]);
    parts.push(
      folded(
        'The ranges that took longest',
        table(
          'The ranges that took longest',
          ['#took', '#worker', '#from', '#records', '#size', 'where'],
          rows,
        ),
      ),
    );
  }
  if (!data.merged && data.ranges.count > 0) {
    parts.push(
      foldedTable('All ranges as a table', () =>
        table(
          'All ranges',
          ['#worker', '#from', '#took', '#records', '#failed', '#made', 'where'],
          data.workers.flatMap((worker, at) =>
            worker.spans.map(([start, took, id, from, to, records, failed, made]) => [
              `${at}`,
              moment(start, 1000),
              microseconds(took),
              count(records),
              count(failed),
              bytes(made),
              name(stretch(id, from, to)),
            ]),
          ),
        ),
      ),
    );
  } else if (data.merged) {
    parts.push(
      foldedTable('The timeline as a table', () => {
        const factor = Math.ceil(data.buckets.read.length / 50);
        const rows = [];
        for (let from = begin / data.buckets.width; from < data.buckets.read.length; from += factor) {
          const sum = (values) => total(values.slice(from, from + factor));
          const length = Math.min(
            factor * data.buckets.width,
            data.milestones.end - from * data.buckets.width,
          );
          rows.push([
            moment(from * data.buckets.width, data.buckets.width),
            ...data.workers.map((worker) => percent(Math.min(1, sum(worker.busy) / Math.max(1, length)))),
          ]);
        }
        return table(
          'How busy each worker was',
          ['#from', ...data.workers.map((_, at) => `#worker ${at}`)],
          rows,
        );
      }),
    );
  }
  section('workers', 'Workers', ...parts);
}
