// What lies between `host` and a plugin in AssemblyScript: parameters, the log, memory. Which
// functions `host` calls is in export.ts. There is nothing in these two to change; plugin.ts
// is yours.

// @ts-ignore: decorators are AssemblyScript's own
@external("host:plugin/params@0.1.0", "get")
declare function paramsGet(at: usize, length: usize, result: usize): void;

// @ts-ignore
@external("host:plugin/log@0.1.0", "write")
declare function logWrite(level: u32, at: usize, length: usize): void;

/** The value of `--param NAME=VALUE`; null if it was not given. */
export function param(name: string): string | null {
  const bytes = String.UTF8.encode(name);
  paramsGet(changetype<usize>(bytes), bytes.byteLength, answer);
  return load<u32>(answer) ? textAt(load<u32>(answer, 4), load<u32>(answer, 8)) : null;
}

export enum Level {
  Error,
  Warn,
  Info,
  Debug,
  Trace,
}

/** Logs a line, which `--plugin-log stderr` shows. */
export function log(level: Level, line: string): void {
  const bytes = String.UTF8.encode(line);
  logWrite(level, changetype<usize>(bytes), bytes.byteLength);
}

let reason: string | null = null;

/** Says why this record cannot be processed. What is returned afterwards counts for nothing. */
export function reject(why: string): void {
  reason = why;
}

/** What `throw` and a failed assertion become: the message is logged, and the record fails. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message ? message : "aborted";
  log(Level.Error, `${what} (${file ? file : "?"}:${line}:${column})`);
  unreachable();
}

// --- what `host` is given -----------------------------------------------------------------

// Kept until a call is done with: the garbage collector does not see that it is in use.
const kept: ArrayBuffer[] = [];

// An answer where `host` reads it: whether it is an error, then its text or the value.
const answer: usize = memory.data(16, 8);

/** Gives `host` memory for what it passes: always new, or more of what was just given. */
export function cabi_realloc(old: usize, oldLength: usize, align: usize, length: usize): usize {
  const buffer = new ArrayBuffer(<i32>length);
  kept.push(buffer);
  memory.copy(changetype<usize>(buffer), old, min(oldLength, length));
  return changetype<usize>(buffer);
}

/** Called when an answer has been read. */
export function free(result: usize): void {
  kept.length = 0;
}

export function textAt(at: usize, length: usize): string {
  return String.UTF8.decodeUnsafe(at, length);
}

export function bytesAt(at: usize, length: usize): Uint8Array {
  const bytes = new Uint8Array(<i32>length);
  memory.copy(bytes.dataStart, at, length);
  return bytes;
}

/** Puts the address and the length of bytes where an answer has them. */
function put(bytes: ArrayBuffer, at: usize): void {
  kept.push(bytes);
  store<u32>(at, changetype<usize>(bytes));
  store<u32>(at, bytes.byteLength, 4);
}

/** Begins an answer; false if the record was rejected, which then is the answer. */
function begin(): bool {
  memory.fill(answer, 0, 16);
  const why = reason;
  if (why === null) return true;
  reason = null;
  store<u32>(answer, 1);
  put(String.UTF8.encode(why), answer + 4);
  return false;
}

export function answerNothing(): usize {
  begin();
  return answer;
}

export function answerBool(value: bool): usize {
  if (begin()) store<u32>(answer, value, 4);
  return answer;
}

export function answerOption(text: string | null): usize {
  if (begin() && text !== null) {
    store<u32>(answer, 1, 4);
    put(String.UTF8.encode(text), answer + 8);
  }
  return answer;
}

export function answerTexts(texts: string[]): usize {
  if (begin()) {
    const list = new ArrayBuffer(8 * texts.length);
    for (let n = 0; n < texts.length; n++) {
      put(String.UTF8.encode(texts[n]), changetype<usize>(list) + 8 * n);
    }
    put(list, answer + 4);
    // Texts are counted, not bytes.
    store<u32>(answer, texts.length, 8);
  }
  return answer;
}

export function answerBytes(bytes: Uint8Array): usize {
  if (begin()) put(copyOf(bytes), answer + 4);
  return answer;
}

/** Bytes that are an answer by themselves. */
export function bytesAlone(bytes: Uint8Array): usize {
  put(copyOf(bytes), answer);
  return answer;
}

function copyOf(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}
