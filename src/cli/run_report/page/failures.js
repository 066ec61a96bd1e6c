// Records that failed, by cause.

// So many places are there without being asked for.
const FEW = 5;

function failures() {
  const { groups, others, held_back: held } = data.failures;
  const failed = stats.records.skipped + stats.records.dead_lettered + stats.records.failed;
  if (!groups.length) {
    const before =
      failed > 0
        ? 'No record failed in this run; those of the account failed before it.'
        : 'No record failed.';
    return section('failures', 'Failures', html('p', {}, before));
  }
  const all = others + total(groups.map((group) => group.count));
  const parts = [html('p', {}, `${many(all, 'record')} failed, of ${many(groups.length, 'cause')}.`)];
  if (held.length) {
    parts.push(
      note(
        'Held back, because they may hold private data: ',
        held.join(', '),
        '. A run with ',
        html('code', {}, '--show-records'),
        ' shows them.',
      ),
    );
  }
  for (const group of groups) {
    const [short, long] = kinds[group.kind] ?? [group.kind, 'It failed'];
    const share = svg(
      'svg',
      { viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': true },
      svg('rect', { class: 'bad', width: (100 * group.count) / all, height: 1 }),
    );
    const cells = group.examples.map((one) => [
      one.number === null ? '–' : count(one.number),
      count(one.offset),
      count(one.length),
      count(one.attempts),
      name(one.input),
    ]);
    const shown = group.examples.filter((one) => one.words !== null || one.text !== null);
    const told = shown.map((one) =>
      html(
        'div',
        {},
        html('h4', {}, `${place(one)} of `, name(one.input)),
        one.words !== null && html('p', {}, 'The plugin says: ', name(one.words)),
        one.text !== null && html('pre', {}, one.text + (one.cut ? '…' : '')),
      ),
    );
    const where = table(
      group.count > cells.length ? `The first ${cells.length} of them` : 'Where they are',
      ['#record', '#byte', '#length', '#attempts', 'input'],
      cells,
    );
    parts.push(
      html(
        'article',
        { class: 'cause' },
        html('h3', {}, `${many(group.count, 'record')}: ${short}`),
        html('div', { class: 'share' }, share),
        html(
          'p',
          {},
          `${long}.`,
          group.plugin !== null && ' Plugin: ',
          group.plugin !== null && name(group.plugin),
        ),
        group.detail !== null && html('p', {}, name(group.detail)),
        group.words !== null && html('p', {}, 'The plugin says: ', name(group.words)),
        group.backtrace.length > 0 &&
          folded(
            'Where the plugin was, the innermost function first',
            html('pre', {}, group.backtrace.join('\n')),
          ),
        cells.length > FEW ? folded(`Where they are: ${place(group.examples[0])} and more`, where) : where,
        told.length > 0 && folded('The records, and what the plugin says of each', ...told),
      ),
    );
  }
  if (others > 0)
    parts.push(note(`${many(others, 'record')} failed of further causes, which are only counted.`));
  section('failures', 'Failures', ...parts);
}
