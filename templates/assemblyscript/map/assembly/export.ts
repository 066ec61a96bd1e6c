import { answerOption, textAt } from "./host";
import { apply as ask } from "./plugin";

export { cabi_realloc, free as cabi_post_apply } from "./host";

export function apply(at: usize, length: usize): usize {
  return answerOption(ask(textAt(at, length)));
}
