// What was done over time.

// Buckets of time, put together so that each is some pixels wide.
function merged(width) {
  const { buckets } = data;
  const from = begin / buckets.width;
  const number = buckets.read.length - from;
  const factor = Math.max(1, Math.ceil(number / Math.max(10, (width - LEFT - RIGHT) / 4)));
  const sums = (values) => {
    const all = [];
    for (let at = from; at < values.length; at += factor) {
      all.push(total(values.slice(at, at + factor)));
    }
    return all;
  };
  const step = buckets.width * factor;
  const start = (at) => begin + at * step;
  const end = (at) => Math.min(start(at + 1), Math.max(data.milestones.end, start(at)));
  return {
    step,
    start,
    end,
    records: sums(buckets.records),
    read: sums(buckets.read),
    written: sums(buckets.written),
    failed: sums(buckets.failed),
    // The last one ends with the run; what little there may be of it says little.
    seconds: (at) => Math.max(step / 4, end(at) - start(at)) / 1e6,
  };
}

// A chart of rates: lines are [values, style, what they are, words for a rate].
function rates(label, unit, words, pick) {
  const help = 'Left and right go through time. The table below has the same numbers.';
  return chart(label, help, (width) => {
    const all = merged(width);
    const lines = pick(all).map((line) => ({
      ...line,
      rates: line.values.map((value, at) => value / all.seconds(at)),
    }));
    const [top, height] = [22, 150];
    const most = Math.max(...lines.flatMap((line) => line.rates), 0);
    const { y, drawn } = levels(top, height, most, words);
    const time = timeAxis(width, top + height);
    drawn.push(svg('text', { x: 0, y: 11 }, unit), ...time.drawn);
    const steps = (values) =>
      values
        .map(
          (value, at) =>
            `${at ? 'V' : `M${time.x(begin).toFixed(1)} `}${y(value).toFixed(1)}H${time.x(all.end(at)).toFixed(1)}`,
        )
        .join('');
    for (const [at, { rates, style }] of lines.entries()) {
      if (at === 0 && rates.length) {
        drawn.push(svg('path', { class: 'area', d: `${steps(rates)}V${y(0)}H${time.x(begin)}z` }));
      }
      drawn.push(svg('path', { class: style, d: steps(rates) }));
    }
    for (const death of deaths) {
      const x = time.x(death.ended);
      drawn.push(svg('line', { class: 'line-bad', x1: x, x2: x, y1: top, y2: top + height }));
    }
    const points = all.read.length;
    const middle = (at) => time.x((all.start(at) + all.end(at)) / 2);
    const failed = all.failed
      .map((value, at) => (value > 0 ? `M${middle(at).toFixed(1)} ${top + height - 8}l4 8h-8z` : ''))
      .join('');
    drawn.push(svg('path', { class: 'bad', d: failed }));
    return {
      height: top + height + BOTTOM,
      drawn,
      points,
      describe: (at) =>
        [
          `${moment(all.start(at), all.step)} to ${moment(all.end(at), all.step)}`,
          ...lines.map((line) => `${words(line.rates[at])}${line.what}`),
          ...(all.failed[at] > 0 ? [`${many(all.failed[at], 'record')} failed`] : []),
        ].join('\n'),
      mark: (at) => {
        const [x, level] = [middle(at), y(lines[0].rates[at])];
        return {
          x,
          y: level,
          marks: [svg('line', { class: 'cursor', x1: x, x2: x, y1: top, y2: top + height })],
        };
      },
      nearest: (x) => (points ? Math.floor((time.at(x) - begin) / all.step) : null),
    };
  });
}

function throughput() {
  if (data.milestones.first === null) {
    return section('throughput', 'Throughput', html('p', {}, 'No range was finished.'));
  }
  const failed = data.buckets.failed.some((value) => value > 0) && ['triangle', 'bad', 'records failed then'];
  const died = deaths.length > 0 && ['line', 'line-bad', 'a worker died'];
  const make = () => {
    const all = merged(400);
    const rate = (values, words) => (at) => words(values[at] / all.seconds(at));
    const [records, read, written] = [
      rate(all.records, short),
      rate(all.read, bytes),
      rate(all.written, bytes),
    ];
    return table(
      'Throughput, step by step',
      ['#from', '#records/s', '#read/s', '#written/s', '#failed'],
      all.records.map((_, at) => [
        moment(all.start(at), all.step),
        records(at),
        read(at),
        written(at),
        count(all.failed[at]),
      ]),
    );
  };
  section(
    'throughput',
    'Throughput',
    begin > 0 &&
      note(`Charts begin when the first worker was online, ${microseconds(begin)} after the run began.`),
    html('h3', {}, 'Records'),
    legend(['line', 'line-first', 'records'], failed, died),
    rates('Records per second over time', 'records/s', short, (all) => [
      { values: all.records, style: 'line-first', what: ' records/s' },
    ]),
    html('h3', {}, 'Bytes'),
    legend(['line', 'line-first', 'read'], ['line', 'line-second', 'made of it'], failed, died),
    rates('Bytes per second over time', 'bytes/s', bytes, (all) => [
      { values: all.read, style: 'line-first', what: '/s read' },
      { values: all.written, style: 'line-second', what: '/s made of it' },
    ]),
    note(
      'What a range holds is spread over the time that its worker took for it.',
      total(data.buckets.records) > stats.records.read - stats.records.before_this_run + 0.5 &&
        ' Workers have finished more than the account has: the run ended before it was taken in.',
    ),
    foldedTable('Throughput as a table', make),
  );
}
