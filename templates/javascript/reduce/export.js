import { exported } from "./host.js";
import * as plugin from "./plugin.js";

export const add = exported(plugin.add);
export const take = exported(plugin.take);
export const merge = exported(plugin.merge);
export const finish = exported(plugin.finish);
