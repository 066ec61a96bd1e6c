'use strict';
// node cluster-messages.js JOB FILE OUT WORKERS
//
// Load balanced: the primary gives byte ranges of FILE to whichever worker process has room; the
// workers send back what becomes of their lines by `process.send`, and the primary writes it to OUT in
// the order of the file, or adds up what they have counted.

const cluster = require('node:cluster');
const fs = require('node:fs');
const { jobOf, addCounts } = require('./jobs.js');
const { eachLine, Results, writeAll } = require('./lines.js');

/** Bytes of a range. */
const RANGE = 2 << 20;

/** Ranges that a worker has at a time: the second one keeps it busy while a result travels. */
const DEPTH = 2;

/** Results may wait for an earlier one, but only so many: memory must not grow with the file. */
const WINDOW = 64;

const [name, file, out] = process.argv.slice(2);
const workers = Number(process.argv[5]);

if (!(workers >= 1)) {
  console.error('usage: node cluster-messages.js JOB FILE OUT WORKERS');
  process.exit(2);
} else if (cluster.isPrimary) {
  balance();
} else {
  serve();
}

function balance() {
  const { size } = fs.statSync(file);
  const sink = fs.openSync(out, 'w');
  const count = Math.ceil(size / RANGE);
  const waiting = new Map(); // results by the number of their range
  let next = 0; // the first range not given out
  let frontier = 0; // the first range not written
  const counts = new Map(); // of all workers

  // Buffers travel as bytes this way; as JSON they would have to become strings.
  cluster.setupPrimary({ serialization: 'advanced' });
  for (let n = 0; n < workers; n++) cluster.fork().busy = 0;

  const dispatch = () => {
    for (const worker of Object.values(cluster.workers)) {
      while (worker.busy < DEPTH && next < count && next < frontier + WINDOW) {
        worker.send({ number: next, start: next * RANGE, end: Math.min((next + 1) * RANGE, size) });
        worker.busy++;
        next++;
      }
      if (worker.busy === 0 && next === count && !worker.ending) {
        worker.ending = true;
        worker.send({ number: -1 });
      }
    }
  };

  cluster.on('message', (worker, { number, lines, counted }) => {
    if (number === -1) {
      for (const [key, more] of counted ?? []) counts.set(key, (counts.get(key) ?? 0) + more);
      worker.disconnect();
      return;
    }
    worker.busy--;
    waiting.set(number, lines);
    const ready = [];
    for (; waiting.has(frontier); frontier++) {
      ready.push(waiting.get(frontier));
      waiting.delete(frontier);
    }
    dispatch(); // first new work for the worker, then the writing
    for (const lines of ready) writeAll(sink, lines);
  });
  let running = workers;
  cluster.on('exit', (worker, code, signal) => {
    if (code === 0) {
      running--;
      if (running === 0) writeCounts();
      return;
    }
    console.error(`error: worker ${worker.id} ended by ${signal ?? `exit code ${code}`}`);
    process.exit(1);
  });
  const writeCounts = () => {
    const results = new Results();
    addCounts(counts, results);
    writeAll(sink, results.take());
  };
  dispatch();
}

function serve() {
  const source = fs.openSync(file);
  const job = jobOf(name);
  const results = new Results();
  process.on('message', ({ number, start, end }) => {
    if (number === -1) {
      process.send({ number, counted: job.counts });
      return;
    }
    eachLine(source, start, end, (bytes, from, to) => job.line(bytes, from, to, results));
    process.send({ number, lines: results.take() });
  });
}
