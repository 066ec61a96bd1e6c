// What records took.

// Ten bins from each power of ten to the next.
const BINS = 10;

function times() {
  const { times } = data;
  if (!times) {
    return section('records', 'Time per record', html('p', {}, 'No record was measured.'));
  }
  const bins = new Map();
  for (const [time, number] of times.counts) {
    const bin = Math.floor(Math.log10(Math.max(1, time)) * BINS);
    bins.set(bin, (bins.get(bin) ?? 0) + number);
  }
  const first = Math.min(...bins.keys());
  const last = Math.max(...bins.keys());
  const all = Array.from({ length: last - first + 1 }, (_, at) => bins.get(first + at) ?? 0);
  const edge = (at) => 10 ** ((first + at) / BINS);
  const between = (at) => `${nanoseconds(edge(at))} to ${nanoseconds(edge(at + 1))}`;
  let sum = 0;
  const below = all.map((number) => (sum += number) / times.count);
  const marks = [
    ['half', times.quantiles['0.5']],
    ['90\u00a0%', times.quantiles['0.9']],
    ['99\u00a0%', times.quantiles['0.99']],
    ['99.9\u00a0%', times.quantiles['0.999']],
  ];
  const label = 'Histogram of the time per record';
  const picture = chart(
    label,
    'Left and right go through the bars. The tables below have the same numbers.',
    (width) => {
      const [top, height] = [64, 150];
      const inner = width - LEFT - RIGHT;
      const x = (at) => LEFT + (inner * at) / all.length;
      const { y, drawn } = levels(
        top,
        height,
        (100 * Math.max(...all)) / times.count,
        (value) => `${digits(value)}\u00a0%`,
      );
      drawn.push(svg('text', { x: 0, y: top - 10 }, 'of records'));
      const bars = all.map((number, at) => {
        const high = Math.max(number ? 1.5 : 0, y(0) - y((100 * number) / times.count));
        return number ? rectangle(x(at) + 0.5, y(0) - high, Math.max(1, x(at + 1) - x(at) - 1), high) : '';
      });
      drawn.push(svg('path', { class: 'first', d: bars.join('') }));
      // Round times: 1, 2, 5, 10 where there is room, else powers of ten.
      const across = (time) => x(Math.log10(Math.max(1, time)) * BINS - first);
      const factors = (inner * BINS) / all.length > 220 ? [1, 2, 5] : [1];
      for (let power = Math.floor(first / BINS); power <= Math.ceil(last / BINS); power += 1) {
        for (const time of factors
          .map((factor) => factor * 10 ** power)
          .filter((time) => time >= edge(0) && time <= edge(all.length))) {
          drawn.push(
            svg('line', { class: 'axis', x1: across(time), x2: across(time), y1: y(0), y2: y(0) + 4 }),
            svg('text', { x: across(time), y: y(0) + 17, 'text-anchor': 'middle' }, nanoseconds(time)),
          );
        }
      }
      drawn.push(
        svg('text', { x: width - RIGHT, y: y(0) + 31, 'text-anchor': 'end' }, 'time for one record'),
      );
      // Labels that would touch stand one above the other.
      const ends = [];
      for (const [what, time] of marks) {
        const at = Math.max(LEFT, Math.min(width - RIGHT, across(time)));
        const words = `${what}: ${nanoseconds(time)}`;
        const long = words.length * 6.6;
        const left = at + long > width - RIGHT;
        const [from, to] = left ? [at - long, at] : [at, at + long];
        let level = ends.findIndex((end) => end < from);
        if (level < 0) level = ends.length;
        ends[level] = to + 10;
        const up = top - 20 - 14 * (3 - Math.min(3, level));
        drawn.push(
          svg('line', { class: 'mark', x1: at, x2: at, y1: up + 2, y2: y(0) }),
          svg(
            'text',
            { class: 'strong', x: left ? at - 4 : at + 4, y: up + 10, 'text-anchor': left ? 'end' : 'start' },
            words,
          ),
        );
      }
      return {
        height: top + height + BOTTOM,
        drawn,
        points: all.length,
        describe: (at) =>
          [
            between(at),
            `${many(all[at], 'record')} (${percent(all[at] / times.count)})`,
            `${percent(below[at])} of records took no longer`,
          ].join('\n'),
        mark: (at) => ({
          x: (x(at) + x(at + 1)) / 2,
          y: y((100 * all[at]) / times.count),
          marks: [svg('rect', { class: 'cursor', x: x(at), y: top, width: x(at + 1) - x(at), height })],
        }),
        nearest: (px) => Math.floor(((px - LEFT) / inner) * all.length),
      };
    },
  );
  const percentiles = [
    ['mean', times.mean],
    ['half of them at most', times.quantiles['0.5']],
    ['90\u00a0% at most', times.quantiles['0.9']],
    ['99\u00a0% at most', times.quantiles['0.99']],
    ['99.9\u00a0% at most', times.quantiles['0.999']],
    ['the longest', times.max],
  ].map(([what, time]) => [what, nanoseconds(time)]);
  const slowest = times.slowest.map(({ record, took }) => [
    nanoseconds(took),
    record.number === null ? '–' : count(record.number),
    count(record.offset),
    name(record.input),
  ]);
  section(
    'records',
    'Time per record',
    picture,
    table('What records took', ['Records', '#time'], percentiles),
    html('h3', {}, 'Records that took longest'),
    table(
      'The longest of each range, of which these are the first',
      ['#time', '#record', '#byte', 'input'],
      slowest,
    ),
    html(
      'p',
      {},
      'To see one by itself, run the same command with ',
      html('code', {}, '--only'),
      ' and its number, or ',
      html('code', {}, '--only @'),
      ' and its byte.',
    ),
    note(
      `${many(times.count, 'record')} measured: what the plugins take for a record, without reading it, cutting it out and writing what came of it. Where a plugin gets many records in one call it is the call’s time divided by them. Records that failed are not among them.`,
    ),
    foldedTable('The histogram as a table', () =>
      table(
        'Records by the time that they took',
        ['from, to', '#records', '#took no longer'],
        all
          .map((number, at) => [between(at), count(number), percent(below[at])])
          .filter((_, at) => all[at] > 0),
      ),
    ),
  );
}
