"""{{name}}: prints the lines that hold the word that `--arg` gives, as grep does.

It is an ordinary program: each record is a line of standard input, and each line that it
prints is one. It is started anew for each part of the input, so it cannot count what it sees.
"""

import sys


def main() -> None:
    if len(sys.argv) != 2:
        # What goes to stderr is logged: --plugin-log stderr shows it.
        sys.exit("there should be one word to look for: --arg WORD")
    word = sys.argv[1]
    for line in sys.stdin:
        if word in line:
            sys.stdout.write(line)
