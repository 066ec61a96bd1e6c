// The data that the page is drawn from, and what they are called for people.

'use strict';

// All of it was written by others: it becomes text (`textContent`), never HTML, and names no
// address. Times are in microseconds from the beginning of the run, those of records in
// nanoseconds.
const data = JSON.parse(document.getElementById('data').textContent);
const stats = data.stats;
const main = document.querySelector('main');

const group = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const count = (number) => group.format(number);

const many = (number, what) => `${count(number)} ${what}${number === 1 ? '' : 's'}`;

// Three digits that count.
function digits(number) {
  const shown = Number(number.toPrecision(3));
  return shown >= 1000 ? count(shown) : String(shown);
}

function scaled(number, units, step = 1000) {
  let at = 0;
  while (at + 1 < units.length && Number(number.toPrecision(3)) >= step) {
    number /= step;
    at += 1;
  }
  return `${digits(number)}${units[at] && '\u00a0' + units[at]}`;
}

const short = (number) => scaled(number, ['', 'k', 'M', 'G', 'T']);
const bytes = (number) => scaled(number, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']);
const nanoseconds = (number) => scaled(number, ['ns', 'µs', 'ms', 's']);
const microseconds = (number) => nanoseconds(number * 1000);

// A moment of the run, as exact as neighbours have to be told apart.
function moment(time, step) {
  const places = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step / 1e6))));
  return `${(time / 1e6).toFixed(places)}\u00a0s`;
}

const total = (values) => values.reduce((one, other) => one + other, 0);
const percent = (share) => `${digits(100 * share)}\u00a0%`;

const kinds = {
  malformed: ['malformed', 'The record is no text (UTF-8), or nothing that the output can hold'],
  rejected: ['rejected', 'The plugin returned an error for the record'],
  trap: ['trap', 'The plugin trapped on the record'],
  timeout: ['timeout', 'The record ran longer than --timeout allows'],
  memory: ['memory', 'The plugin wanted more memory than --memory allows'],
  output: ['output', 'What the plugin made of the record cannot be written'],
  'too-long': ['too long', 'The record is longer than --max-record allows'],
  crash: ['crash', 'The record killed the worker process'],
  fuel: ['fuel', 'The plugin executed more than --fuel allows'],
};

const input = (id) => data.inputs[id] ?? `input ${count(id + 1)}`;
const stretch = (id, from, to) => `${input(id)}, bytes ${count(from)} to ${count(to)}`;
const place = (of) =>
  of.number === null ? `the record at byte ${count(of.offset)}` : `record ${count(of.number)}`;
