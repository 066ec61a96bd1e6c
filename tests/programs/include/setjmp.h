/* WebAssembly has no `longjmp` without its exceptions, which wasi-libc does not use. Programs
   that only leave by it when they fail do as well with `abort`. */
#pragma once
#include <stdlib.h>
typedef int jmp_buf;
#define setjmp(place) 0
#define _setjmp(place) 0
#define longjmp(place, value) abort()
#define _longjmp(place, value) abort()
