import { reason } from "./host.js";
import * as plugin from "./plugin.js";

/** What becomes of each record: texts, or why it is rejected. */
export function process(records) {
  return records.map((record) => {
    try {
      return { tag: "ok", val: plugin.process(record) };
    } catch (thrown) {
      return { tag: "err", val: reason(thrown) };
    }
  });
}
