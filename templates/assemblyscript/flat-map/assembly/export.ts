import { answerTexts, textAt } from "./host";
import { expand as ask } from "./plugin";

export { cabi_realloc, free as cabi_post_expand } from "./host";

export function expand(at: usize, length: usize): usize {
  return answerTexts(ask(textAt(at, length)));
}
