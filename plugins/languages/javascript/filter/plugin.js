// Keeps the records whose value at a path is the wanted one: --param path=actor.login --param
// is=ann. A string is compared by what it says, anything else by its JSON.

import { param, reject } from "./host.js";
import { find, parse, read } from "./members.js";

let known;

/** The path, and the value that is wanted there. */
function wanted() {
  const fields = parse(param("path") ?? reject("the parameter `path` is missing (--param path=actor.login)"));
  const value = param("is");
  if (value === undefined || fields.length !== 1) {
    reject("one path and one value are wanted: --param path=actor.login --param is=ann");
  }
  return { path: fields[0].path, value };
}

/** Called with each record, which is the text of one JSON value. True keeps it. */
export function keep(record) {
  const { path, value } = (known ??= wanted());
  const found = find(read(record), path);
  return (typeof found === "string" ? found : JSON.stringify(found)) === value;
}
