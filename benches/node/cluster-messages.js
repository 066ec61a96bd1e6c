'use strict';
// node cluster-messages.js FILE OUT WORKERS
//
// Load balanced: the primary gives byte ranges of FILE to whichever worker process has room; the
// workers send back the lines that they keep by `process.send`, and the primary writes them to OUT
// in the order of the file.

const cluster = require('node:cluster');
const fs = require('node:fs');
const { keepPushes, Kept, writeAll } = require('./lines.js');

/** Bytes of a range. */
const RANGE = 2 << 20;

/** Ranges that a worker has at a time: the second one keeps it busy while a result travels. */
const DEPTH = 2;

/** Results may wait for an earlier one, but only so many: memory must not grow with the file. */
const WINDOW = 64;

const [file, out] = process.argv.slice(2);
const workers = Number(process.argv[4]);

if (!(workers >= 1)) {
  console.error('usage: node cluster-messages.js FILE OUT WORKERS');
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
      if (worker.busy === 0 && next === count) worker.disconnect();
    }
  };

  cluster.on('message', (worker, { number, lines }) => {
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
  cluster.on('exit', (worker, code, signal) => {
    if (code === 0) return;
    console.error(`error: worker ${worker.id} ended by ${signal ?? `exit code ${code}`}`);
    process.exit(1);
  });
  dispatch();
}

function serve() {
  const source = fs.openSync(file);
  const kept = new Kept();
  process.on('message', ({ number, start, end }) => {
    keepPushes(source, start, end, (bytes, from, to) => kept.add(bytes, from, to));
    process.send({ number, lines: kept.take() });
  });
}
