// {{name}}: keeps the records whose member "type" is what `--param type=...` says.

import { param, reject } from "./host.js";

/** Called with each record, which is the text of one JSON value. True keeps it. */
export function keep(record) {
  // Shown to the user, who decides what becomes of records that are rejected.
  const wanted = param("type") ?? reject("the parameter `type` is missing (--param type=VALUE)");
  return JSON.parse(record).type === wanted;
}
