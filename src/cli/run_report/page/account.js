// What became of the records, and what was run.

function account() {
  const { records } = stats;
  const rows = [
    ['read', records.read],
    ['used: they are in the output, or what was made of them', records.used],
    ['dropped: the plugin did not want them', records.dropped],
    ['skipped: they failed and were left out', records.skipped],
    ['dead-lettered: they failed and were written aside', records.dead_lettered],
    ['failed: the job ended there', records.failed],
    ['of all of these, before this run', records.before_this_run],
  ].map(([what, number]) => [what, count(number)]);
  const others = [
    ['records written', count(stats.output.records)],
    ['bytes written', count(stats.output.bytes)],
    ['bytes not read', stats.unread_bytes === null ? 'not known' : count(stats.unread_bytes)],
    ['records tried again', count(stats.retries)],
    ['workers replaced', count(stats.restarts)],
    ['lines that the plugin logged', count(stats.log_lines)],
    ['of these, left out', count(stats.log_lines_cut)],
  ];
  section(
    'account',
    'The account',
    table('What became of the records', ['Records', '#number'], rows),
    table('What there was besides', ['What', '#number'], others),
  );
}

function command() {
  const plugins = data.plugins.map(({ file, cached, took }) => [
    name(file),
    cached ? 'taken from the cache' : 'compiled',
    microseconds(took),
  ]);
  section(
    'command',
    'Command and versions',
    html('pre', {}, data.command),
    data.hides_words &&
      note(
        'What plugins are told (',
        html('code', {}, '--param'),
        ', ',
        html('code', {}, '--arg'),
        ') may be secret, and is left out. A run with ',
        html('code', {}, '--show-records'),
        ' shows it.',
      ),
    plugins.length > 0 && table('Plugins', ['File', 'how it was had', '#in'], plugins),
    table(
      'Versions',
      ['What', 'which'],
      [
        ['host', data.versions.host],
        ['system', data.versions.system],
        ['cores', `${data.versions.cores}`],
        ...(data.sandbox === null ? [] : [['sandbox around workers', data.sandbox]]),
      ],
    ),
  );
}
