// {{name}}: appends a member "source" with the value of `--param source=...`.

import { param, reject } from "./host";

/**
 * Called with each record, which is the text of one JSON value. What it returns comes out in
 * its place; null would drop the record.
 */
export function apply(record: string): string | null {
  const source = param("source");
  if (source === null) {
    // Shown to the user, who decides what becomes of records that are rejected.
    reject("the parameter `source` is missing (--param source=VALUE)");
    return null;
  }
  // It goes between quotes as it is.
  for (let n = 0; n < source.length; n++) {
    const letter = source.charAt(n);
    if (letter == '"' || letter == "\\" || letter < " ") {
      reject("the parameter `source` would have to be escaped");
      return null;
    }
  }
  // A record has no space around it.
  if (!record.startsWith("{") || !record.endsWith("}")) {
    reject("the record is not a JSON object");
    return null;
  }
  const before = record.substring(0, record.length - 1).trimEnd();
  const comma = before.length == 1 ? "" : ",";
  return `${before}${comma}"source":"${source}"}`;
}
