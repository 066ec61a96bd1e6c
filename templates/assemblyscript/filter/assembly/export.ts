import { answerBool, textAt } from "./host";
import { keep as ask } from "./plugin";

export { cabi_realloc, free as cabi_post_keep } from "./host";

export function keep(at: usize, length: usize): usize {
  return answerBool(ask(textAt(at, length)));
}
