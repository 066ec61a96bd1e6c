// {{name}}: makes a record of each word of the member that `--param member=...` names.

import { param, reject } from "./host";
import { stringMember } from "./member";

/**
 * Called with each record, which is the text of one JSON value. The texts that it returns come
 * out in its place; if there are none, the record is dropped.
 */
export function expand(record: string): string[] {
  const made: string[] = [];
  const name = param("member");
  if (name === null) {
    // Shown to the user, who decides what becomes of records that are rejected.
    reject("the parameter `member` is missing (--param member=NAME)");
    return made;
  }
  const text = stringMember(record, name);
  if (text === null) return made;
  const words = text.split(" ");
  for (let n = 0; n < words.length; n++) {
    if (words[n].length) made.push(`{"word":"${words[n]}"}`);
  }
  return made;
}
