'use strict';
// node cluster-parts.js JOB FILE OUT WORKERS
//
// One static byte range of FILE for each worker process. Each writes what becomes of its lines to
// a part file of its own, OUT.0, OUT.1, ...; the parts one after the other are the result.

const cluster = require('node:cluster');
const fs = require('node:fs');
const { jobOf } = require('./jobs.js');
const { eachLine, Results, writeAll } = require('./lines.js');

/** Bytes collected before they are written. */
const PIECE = 1 << 20;

const [name, file, out] = process.argv.slice(2);
const workers = Number(process.argv[5]);

if (!(workers >= 1)) {
  console.error('usage: node cluster-parts.js JOB FILE OUT WORKERS');
  process.exit(2);
} else if (cluster.isPrimary) {
  startWorkers();
} else {
  writePart(process.env);
}

function startWorkers() {
  const { size } = fs.statSync(file);
  const cut = (part) => Math.floor((size * part) / workers);
  for (let part = 0; part < workers; part++) {
    cluster.fork({ PART: part, START: cut(part), END: cut(part + 1) });
  }
  cluster.on('exit', (worker, code, signal) => {
    if (code === 0) return;
    console.error(`error: worker ${worker.id} ended by ${signal ?? `exit code ${code}`}`);
    process.exit(1);
  });
}

function writePart({ PART, START, END }) {
  const source = fs.openSync(file);
  const sink = fs.openSync(`${out}.${PART}`, 'w');
  const job = jobOf(name);
  const results = new Results();
  eachLine(source, Number(START), Number(END), (bytes, from, to) => {
    job.line(bytes, from, to, results);
    if (results.length >= PIECE) writeAll(sink, results.take());
  });
  writeAll(sink, results.take());
  process.disconnect(); // lets this process end
}
