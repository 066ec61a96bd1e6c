// {{name}}: appends a member "source" with the value of `--param source=...`.

import { param, reject } from "./host.js";

/**
 * Called with each record, which is the text of one JSON value. What it returns comes out in
 * its place; undefined would drop the record.
 */
export function apply(record) {
  // Shown to the user, who decides what becomes of records that are rejected.
  const source = param("source") ?? reject("the parameter `source` is missing (--param source=VALUE)");
  if (!record.startsWith("{") || !record.endsWith("}")) reject("the record is not a JSON object");
  // The members stay as they are written: numbers keep their digits.
  const before = record.slice(0, -1).trimEnd();
  const comma = before === "{" ? "" : ",";
  return `${before}${comma}"source":${JSON.stringify(source)}}`;
}
