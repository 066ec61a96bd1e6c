// How the run ended, and what is to be known first.

const endings = {
  0: 'Done',
  1: 'Failed',
  2: 'Nothing was started',
  3: 'The sandbox could not be had as demanded',
  4: 'Done, but more records failed than --max-errors accepts',
  130: 'Interrupted',
};

function header() {
  const ending = document.getElementById('ending');
  const good = stats.exit_code === 0;
  ending.className = good ? 'good' : 'bad';
  ending.append(`${good ? '✓' : '✗'} ${endings[stats.exit_code] ?? 'Ended'} (exit code ${stats.exit_code})`);
  document
    .getElementById('when')
    .append(
      `${data.began.slice(0, 10)} ${data.began.slice(11, 19)} UTC, ${moment(data.milestones.end, 1e4)}`,
    );
  document.title = `${endings[stats.exit_code] ?? 'Ended'} – report of a run of host`;
}

const busy = total(data.workers.map((worker) => total(worker.busy)));
// For how long a worker was there.
const presence = (worker) =>
  total(worker.lives.map((life) => (life.ended ?? data.milestones.end) - life.online));
const alive = total(data.workers.map(presence));
const deaths = data.workers.flatMap((worker, at) =>
  worker.lives.filter((life) => life.death).map((life) => ({ worker: at, ...life })),
);
const died = total(data.workers.map((worker) => worker.died));

function glance() {
  const { records, output } = stats;
  const read = records.read - records.before_this_run;
  const failed = records.skipped + records.dead_lettered + records.failed;
  const seconds = Math.max(data.milestones.end, 1) / 1e6;
  const facts = [
    [
      'Records read',
      count(records.read),
      records.before_this_run > 0 && `${count(records.before_this_run)} of them before this run`,
    ],
    ['Records per second', short(read / seconds), `${bytes(total(data.buckets.read) / seconds)}/s read`],
    ['Records written', count(output.records), bytes(output.bytes)],
    [
      'Failed records',
      count(failed),
      failed > 0 && records.read > 0 && `${percent(failed / records.read)} of those read`,
    ],
    alive > 0 && ['Workers busy', percent(Math.min(1, busy / alive)), 'of the time that they were there'],
    ['Worker deaths', count(died), died > 0 && 'each is in the timeline'],
  ];
  const list = html(
    'dl',
    { class: 'facts' },
    ...facts
      .filter(Boolean)
      .map(([term, value, more]) =>
        html(
          'div',
          {},
          html('dt', {}, term),
          html('dd', {}, value),
          more && html('dd', { class: 'more' }, more),
        ),
      ),
  );
  const stations = [
    ['Plugins were compiled or loaded', data.milestones.ready],
    ['The first worker was online', data.milestones.online],
    ['The first range was finished', data.milestones.first],
    ['The last range was finished', data.milestones.last],
    ['The run ended', data.milestones.end],
  ].filter(([, time]) => time !== null);
  let before = 0;
  const steps = stations.map(([what, time]) => {
    const row = [what, moment(time, 1000), microseconds(Math.max(0, time - before))];
    before = time;
    return row;
  });
  section(
    'glance',
    'At a glance',
    stats.error !== null && html('p', {}, html('strong', {}, 'Why it ended: '), stats.error),
    list,
    table('Where the time went', ['Step', '#at', '#took'], steps),
  );
}
