import { flush, getArguments, report } from "./host.js";
import { main } from "./plugin.js";

export const run = {
  run() {
    try {
      main(getArguments().slice(1));
      flush();
    } catch (thrown) {
      report(thrown);
      throw thrown;
    }
  },
};
