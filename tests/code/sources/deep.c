// Calls itself to depths that change, as a parser of nested data does.
#include <stdio.h>

volatile unsigned sink;

__attribute__((noinline)) unsigned leaf(unsigned depth) {
    for (unsigned at = 0; at < 20000; at++)
        sink += at * depth;
    return sink;
}

__attribute__((noinline)) unsigned odd(unsigned depth);

__attribute__((noinline)) unsigned even(unsigned depth) {
    return (depth ? odd(depth - 1) : leaf(depth)) + 1;
}

__attribute__((noinline)) unsigned odd(unsigned depth) {
    return (depth ? even(depth - 1) : leaf(depth)) + 2;
}

int main(void) {
    puts("ready");
    fflush(stdout);
    for (unsigned depth = 7;; depth = depth * 31 % 61)
        sink += even(depth);
}
