/* There are no other processes whose ends could be looked at. */
#pragma once
#define WIFEXITED(status) 0
#define WEXITSTATUS(status) 0
#define WIFSIGNALED(status) 0
#define WTERMSIG(status) 0
#define WCOREDUMP(status) 0
