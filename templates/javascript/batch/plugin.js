// {{name}}: appends a member "source" with the value of `--param source=...`.

import { param, reject } from "./host.js";

/**
 * Called with each record, which is the text of one JSON value. The texts that it returns come
 * out in its place; if there are none, the record is dropped. `host` passes many records at
 * once, which costs less than one call for each.
 */
export function process(record) {
  // Shown to the user, who decides what becomes of records that are rejected.
  const source = param("source") ?? reject("the parameter `source` is missing (--param source=VALUE)");
  if (!record.startsWith("{") || !record.endsWith("}")) reject("the record is not a JSON object");
  // The members stay as they are written: numbers keep their digits.
  const before = record.slice(0, -1).trimEnd();
  const comma = before === "{" ? "" : ",";
  return [`${before}${comma}"source":${JSON.stringify(source)}}`];
}
