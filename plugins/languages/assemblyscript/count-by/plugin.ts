// Counts records by the value at a path, or at several: --param by=type or by=type,repo.name:repo.
// A record for each value comes out, in the order of their JSON: {"type":"PushEvent","count":190}.
// A member that is not there counts as null.

import { param, reject } from "./host";
import { compact, Field, fieldsOf, find } from "./members";

// How often each key was met: the members that are counted by, as they stand in an object. The
// records are shared out among several instances of this plugin. Each counts for itself, and
// `host` merges what they have counted.
let counts = new Map<string, u64>();

/** What is counted by. */
function keys(): Field[] | null {
  const fields = fieldsOf("by", "the parameter `by` is missing (--param by=type)");
  if (fields === null) return null;
  for (let n = 0; n < fields.length; n++) {
    if (fields[n].name == "count") {
      reject("a member called `count` needs another name: --param by=count:of");
      return null;
    }
  }
  return fields;
}

/** Called with each record, which is the text of one JSON value. */
export function add(record: string): void {
  const fields = keys();
  if (fields === null) return;
  const found = find(record, fields);
  if (found === null) return;
  let key = "";
  for (let n = 0; n < fields.length; n++) {
    const value = found[n];
    const comma = n ? "," : "";
    const text = value === null ? "null" : compact(value);
    key += `${comma}"${fields[n].name}":${text}`;
  }
  count(counts, key, 1);
}

function count(counts: Map<string, u64>, key: string, more: u64): void {
  counts.set(key, more + (counts.has(key) ? counts.get(key) : 0));
}

// --- the state: a line that says what is counted by, then one for each key --------------------

function label(): string {
  const by = param("by");
  return "count-by " + (by === null ? "" : by);
}

function write(counts: Map<string, u64>): Uint8Array {
  const lines: string[] = [label()];
  const keys = counts.keys();
  for (let n = 0; n < keys.length; n++) lines.push(`${counts.get(keys[n])} ${keys[n]}`);
  return Uint8Array.wrap(String.UTF8.encode(lines.join("\n")));
}

/** Adds what a state holds; false if it is none. */
function read(state: Uint8Array, counts: Map<string, u64>): bool {
  const lines = String.UTF8.decodeUnsafe(state.dataStart, state.length).split("\n");
  if (lines[0] != label()) {
    reject("a state is none of this plugin with this parameter `by`");
    return false;
  }
  for (let n = 1; n < lines.length; n++) {
    const space = lines[n].indexOf(" ");
    count(counts, lines[n].substring(space + 1), U64.parseInt(lines[n].substring(0, space)));
  }
  return true;
}

/** Gives the state of the records so far. The next `add` is the first again. */
export function take(): Uint8Array {
  const taken = write(counts);
  counts = new Map<string, u64>();
  return taken;
}

/** Makes one state of two. */
export function merge(left: Uint8Array, right: Uint8Array): Uint8Array {
  const merged = new Map<string, u64>();
  if (!read(left, merged) || !read(right, merged)) return left;
  return write(merged);
}

/** Called once, with the state of all records: what comes out. */
export function finish(state: Uint8Array): string[] {
  const made: string[] = [];
  const all = new Map<string, u64>();
  if (keys() === null || !read(state, all)) return made;
  const sorted = all.keys().sort(inOrder);
  for (let n = 0; n < sorted.length; n++) made.push(`{${sorted[n]},"count":${all.get(sorted[n])}}`);
  return made;
}

/** The order of texts by their letters, as in UTF-8; that of UTF-16 is another beyond U+FFFF. */
function inOrder(one: string, other: string): i32 {
  for (let at = 0; at < one.length && at < other.length; at++) {
    if (one.charCodeAt(at) != other.charCodeAt(at)) return one.codePointAt(at) - other.codePointAt(at);
  }
  return one.length - other.length;
}
