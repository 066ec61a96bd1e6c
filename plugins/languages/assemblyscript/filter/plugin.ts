// Keeps the records whose value at a path is the wanted one: --param path=actor.login --param
// is=ann. A string is compared by what stands between its quotes, anything else by its JSON.

import { param, reject } from "./host";
import { compact, fieldsOf, find } from "./members";

/** Called with each record, which is the text of one JSON value. True keeps it. */
export function keep(record: string): bool {
  const fields = fieldsOf("path", "the parameter `path` is missing (--param path=actor.login)");
  if (fields === null) return false;
  const wanted = param("is");
  if (wanted === null || fields.length != 1) {
    reject("one path and one value are wanted: --param path=actor.login --param is=ann");
    return false;
  }
  const found = find(record, fields);
  if (found === null) return false;
  const value = found[0];
  if (value === null) return false;
  return (value.startsWith('"') ? value.substring(1, value.length - 1) : compact(value)) == wanted;
}
