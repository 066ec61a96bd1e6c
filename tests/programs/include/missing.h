/* What wasi-libc leaves out of <stdlib.h> and <stdio.h>; missing.c says no to all of it. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#define L_tmpnam 20
int system(const char *command);
char *tmpnam(char *name);
FILE *tmpfile(void);
FILE *popen(const char *command, const char *mode);
int pclose(FILE *file);
