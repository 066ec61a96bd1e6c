// {{name}}: counts the records, and those whose member "type" is what `--param type=...` says.

import { param, reject } from "./host.js";

// The records are shared out among several instances of this plugin. Each has a state of its
// own, and `host` merges them, in the order of the input.
let own = { records: 0, matching: 0 };

/**
 * Called with each record, which is the text of one JSON value. The state has to be as before
 * where a record is rejected.
 */
export function add(record) {
  // Shown to the user, who decides what becomes of records that are rejected.
  const wanted = param("type") ?? reject("the parameter `type` is missing (--param type=VALUE)");
  const { type } = JSON.parse(record);
  own.records += 1;
  if (type === wanted) own.matching += 1;
}

/** Gives the state of the records so far, as bytes. The next `add` is the first again. */
export function take() {
  const taken = own;
  own = { records: 0, matching: 0 };
  return write(taken);
}

/** Makes one state of two. */
export function merge(left, right) {
  const [one, other] = [read(left), read(right)];
  return write({
    records: one.records + other.records,
    matching: one.matching + other.matching,
  });
}

/** Called once, with the state of all records: what comes out. */
export function finish(state) {
  return [JSON.stringify(read(state))];
}

function write(state) {
  return new TextEncoder().encode(JSON.stringify(state));
}

function read(bytes) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    reject("the state is none of this plugin");
  }
}
