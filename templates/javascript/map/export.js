import { exported } from "./host.js";
import * as plugin from "./plugin.js";

export const apply = exported(plugin.apply);
