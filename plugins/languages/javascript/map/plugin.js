// Picks members and renames them: --param fields=id,actor.login:user. A member that is not there
// is left out.

import { param, reject } from "./host.js";
import { find, parse, read } from "./members.js";

let known;

/** The fields that are wanted. */
function wanted() {
  return parse(param("fields") ?? reject("the parameter `fields` is missing (--param fields=id,actor.login:user)"));
}

/**
 * Called with each record, which is the text of one JSON value. What it returns comes out in
 * its place; undefined would drop the record.
 */
export function apply(record) {
  const fields = (known ??= wanted());
  const members = read(record);
  const made = [];
  for (const { path, name } of fields) {
    const value = find(members, path);
    if (value !== undefined) made.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  }
  return `{${made.join(",")}}`;
}
