// Picks members and renames them: --param fields=id,actor.login:user. Values pass as they are
// written, and a member that is not there is left out.

import { fieldsOf, find } from "./members";

/**
 * Called with each record, which is the text of one JSON value. What it returns comes out in
 * its place; null would drop the record.
 */
export function apply(record: string): string | null {
  const fields = fieldsOf("fields", "the parameter `fields` is missing (--param fields=id,actor.login:user)");
  if (fields === null) return null;
  const found = find(record, fields);
  if (found === null) return null;
  let made = "{";
  for (let n = 0; n < fields.length; n++) {
    const value = found[n];
    if (value === null) continue;
    const comma = made.length == 1 ? "" : ",";
    made += `${comma}"${fields[n].name}":${value}`;
  }
  return made + "}";
}
