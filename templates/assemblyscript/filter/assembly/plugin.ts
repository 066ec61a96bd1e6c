// {{name}}: keeps the records whose member "type" is what `--param type=...` says.

import { param, reject } from "./host";
import { stringMember } from "./member";

/** Called with each record, which is the text of one JSON value. True keeps it. */
export function keep(record: string): bool {
  const wanted = param("type");
  if (wanted === null) {
    // Shown to the user, who decides what becomes of records that are rejected.
    reject("the parameter `type` is missing (--param type=VALUE)");
    return false;
  }
  return stringMember(record, "type") == wanted;
}
