// Counts records by the value at a path, or at several: --param by=type or by=type,repo.name:repo.
// A record for each value comes out, in the order of their JSON: {"type":"PushEvent","count":190}.
// A member that is not there counts as null.

import { param, reject } from "./host.js";
import { find, parse, read } from "./members.js";

// How often each key was met: the members that are counted by, as they stand in an object. The
// records are shared out among several instances of this plugin. Each counts for itself, and
// `host` merges what they have counted.
let counts = new Map();

let known;

/** What is counted by. */
function keys() {
  if (known) return known;
  const fields = parse(param("by") ?? reject("the parameter `by` is missing (--param by=type)"));
  if (fields.some(({ name }) => name === "count")) {
    reject("a member called `count` needs another name: --param by=count:of");
  }
  return (known = fields);
}

/**
 * Called with each record, which is the text of one JSON value. The state has to be as before
 * where a record is rejected.
 */
export function add(record) {
  const fields = keys();
  const members = read(record);
  const parts = fields.map(({ path, name }) => {
    return `${JSON.stringify(name)}:${JSON.stringify(find(members, path) ?? null)}`;
  });
  const key = parts.join(",");
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Gives the state of the records so far, as bytes. The next `add` is the first again. */
export function take() {
  const taken = counts;
  counts = new Map();
  return write(taken);
}

/** Makes one state of two. */
export function merge(left, right) {
  const merged = counted(left);
  for (const [key, count] of counted(right)) merged.set(key, (merged.get(key) ?? 0) + count);
  return write(merged);
}

/** Called once, with the state of all records: what comes out. */
export function finish(state) {
  keys();
  const sorted = [...counted(state)].sort(([one], [other]) => inOrder(one, other));
  return sorted.map(([key, count]) => `{${key},"count":${count}}`);
}

/** A state: what is counted by, and the counts. */
function write(counts) {
  return new TextEncoder().encode(JSON.stringify({ by: param("by"), counts: [...counts] }));
}

/** The counts that a state holds. */
function counted(state) {
  let held;
  try {
    held = JSON.parse(new TextDecoder().decode(state));
  } catch {
    // It is none.
  }
  if (!held || held.by !== param("by")) reject("a state is none of this plugin with this parameter `by`");
  return new Map(held.counts);
}

/** The order of texts by their letters, as in UTF-8; JavaScript's own is another beyond U+FFFF. */
function inOrder(one, other) {
  for (let at = 0; at < one.length && at < other.length; at++) {
    if (one.charCodeAt(at) !== other.charCodeAt(at)) return one.codePointAt(at) - other.codePointAt(at);
  }
  return one.length - other.length;
}
