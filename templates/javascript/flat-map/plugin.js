// {{name}}: makes a record of each word of the member that `--param member=...` names.

import { param, reject } from "./host.js";

/**
 * Called with each record, which is the text of one JSON value. The texts that it returns come
 * out in its place; if there are none, the record is dropped.
 */
export function expand(record) {
  // Shown to the user, who decides what becomes of records that are rejected.
  const name = param("member") ?? reject("the parameter `member` is missing (--param member=NAME)");
  const text = JSON.parse(record)[name];
  if (text === undefined) return [];
  if (typeof text !== "string") reject("the member is not a string");
  const words = text.split(" ").filter((word) => word !== "");
  return words.map((word) => JSON.stringify({ word }));
}
