// What lies between `host` and a program in JavaScript: its command line, the lines that it
// reads and those that it prints. There is nothing in this file and in export.js to change;
// plugin.js is yours.

import { getStdin } from "wasi:cli/stdin@0.2.0";
import { getStdout } from "wasi:cli/stdout@0.2.0";

/** What `--param` says, as pairs; the program's name, and what `--arg` says. */
export { getArguments, getEnvironment } from "wasi:cli/environment@0.2.0";

// How many bytes are read and written at once, and how many characters wait for that.
const READ = 65536n;
const WRITTEN = 4096;
const WAITING = 65536;

/** The lines of standard input, without their ends. */
export function* lines() {
  const input = getStdin();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let rest = "";
  for (let piece = read(input); piece; piece = read(input)) {
    const found = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = found.pop();
    yield* found;
  }
  if (rest !== "") yield rest;
}

function read(input) {
  try {
    return input.blockingRead(READ);
  } catch (end) {
    if (end.payload?.tag === "closed") return undefined;
    throw end;
  }
}

let waiting = "";

/** Prints a line: a record. */
export function print(line) {
  waiting += line + "\n";
  if (waiting.length >= WAITING) flush();
}

/** Lets what was printed go. */
export function flush() {
  const bytes = new TextEncoder().encode(waiting);
  waiting = "";
  const output = getStdout();
  for (let at = 0; at < bytes.length; at += WRITTEN) {
    output.blockingWriteAndFlush(bytes.subarray(at, at + WRITTEN));
  }
}

/** Says what was thrown, and where. */
export function report(thrown) {
  console.error(String(thrown));
  for (const line of String(thrown?.stack ?? "").split("\n")) {
    if (line) console.error(`  ${line}`);
  }
}
