// What lies between `host` and a plugin in JavaScript. Which functions `host` calls is in
// export.js. There is nothing in these two to change; plugin.js is yours.

import { write } from "host:plugin/log@0.1.0";

/** The value of `--param NAME=VALUE`; undefined if it was not given. */
export { get as param } from "host:plugin/params@0.1.0";

/** Logs a line, which `--plugin-log stderr` shows; `level` is "error", "warn", "info"... */
export { write as log };

class Rejection extends Error {}

/** Says why this record cannot be processed, and goes no further with it. */
export function reject(why) {
  throw new Rejection(why);
}

/** Why something was thrown, if that was to reject the record; otherwise it goes on its way. */
export function reason(thrown) {
  if (thrown instanceof Rejection) return thrown.message;
  write("error", String(thrown));
  for (const line of String(thrown?.stack ?? "").split("\n")) {
    if (line) write("error", `  ${line}`);
  }
  throw thrown;
}

/** The function as `host` calls it: what it rejects is thrown as a text. */
export function exported(call) {
  return (...given) => {
    try {
      return call(...given);
    } catch (thrown) {
      throw reason(thrown);
    }
  };
}
