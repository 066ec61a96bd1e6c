// {{name}}: counts the records, and those whose member "type" is what `--param type=...` says.

import { param, reject } from "./host";
import { stringMember } from "./member";

// The records are shared out among several instances of this plugin. Each has a state of its
// own, and `host` merges them, in the order of the input.
let records: u64 = 0;
let matching: u64 = 0;

/** Called with each record, which is the text of one JSON value. */
export function add(record: string): void {
  const wanted = param("type");
  if (wanted === null) {
    // Shown to the user, who decides what becomes of records that are rejected.
    reject("the parameter `type` is missing (--param type=VALUE)");
    return;
  }
  records += 1;
  if (stringMember(record, "type") == wanted) matching += 1;
}

/** A state as bytes: two numbers of 8 bytes. */
function bytesOf(records: u64, matching: u64): Uint8Array {
  const bytes = new Uint8Array(16);
  store<u64>(bytes.dataStart, records);
  store<u64>(bytes.dataStart, matching, 8);
  return bytes;
}

/** Rejects bytes that are no state. */
function isState(bytes: Uint8Array): bool {
  if (bytes.length == 16) return true;
  reject("the state is none of this plugin");
  return false;
}

/** Gives the state of the records so far. The next `add` is the first again. */
export function take(): Uint8Array {
  const taken = bytesOf(records, matching);
  records = 0;
  matching = 0;
  return taken;
}

/** Makes one state of two. */
export function merge(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (!isState(left) || !isState(right)) return left;
  return bytesOf(
    load<u64>(left.dataStart) + load<u64>(right.dataStart),
    load<u64>(left.dataStart, 8) + load<u64>(right.dataStart, 8),
  );
}

/** Called once, with the state of all records: what comes out. */
export function finish(state: Uint8Array): string[] {
  if (!isState(state)) return [];
  const records = load<u64>(state.dataStart);
  const matching = load<u64>(state.dataStart, 8);
  return [`{"records":${records},"matching":${matching}}`];
}
