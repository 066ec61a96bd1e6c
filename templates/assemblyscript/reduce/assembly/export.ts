import { answerBytes, answerNothing, answerTexts, bytesAlone, bytesAt, textAt } from "./host";
import * as plugin from "./plugin";

export {
  cabi_realloc,
  free as cabi_post_add,
  free as cabi_post_take,
  free as cabi_post_merge,
  free as cabi_post_finish,
} from "./host";

export function add(at: usize, length: usize): usize {
  plugin.add(textAt(at, length));
  return answerNothing();
}

export function take(): usize {
  return bytesAlone(plugin.take());
}

export function merge(left: usize, leftLength: usize, right: usize, rightLength: usize): usize {
  return answerBytes(plugin.merge(bytesAt(left, leftLength), bytesAt(right, rightLength)));
}

export function finish(at: usize, length: usize): usize {
  return answerTexts(plugin.finish(bytesAt(at, length)));
}
