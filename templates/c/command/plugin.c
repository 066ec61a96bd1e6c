/* {{name}}: prints the lines that hold the word that `--arg` gives, as grep does.
 *
 * An ordinary program: each record is a line of standard input, and each line that it prints
 * is one. It is started anew for each part of the input, so it cannot count what it sees. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    if (count != 2) {
        /* What goes to stderr is logged: --plugin-log stderr shows it. */
        fprintf(stderr, "there should be one word to look for: --arg WORD\n");
        return 2;
    }
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        if (strstr(line, arguments[1])) fputs(line, stdout);
    }
    free(line);
    return 0;
}
