// {{name}}: prints the lines that hold the word that `--arg` gives, as grep does.
//
// It is an ordinary program: each record is a line of standard input, and each line that it
// prints is one. It is started anew for each part of the input, so it cannot count what it sees.

import { lines, print } from "./host.js";

/** Called with the words of the command line. */
export function main(words) {
  // What is thrown is logged, as what console.error says: --plugin-log stderr shows it.
  if (words.length !== 1) throw new Error("there should be one word to look for: --arg WORD");
  const [word] = words;
  for (const line of lines()) {
    if (line.includes(word)) print(line);
  }
}
