import { exported } from "./host.js";
import * as plugin from "./plugin.js";

export const expand = exported(plugin.expand);
