#include <stdlib.h>
#include <string.h>
#include <stdio.h>

volatile long sink;

__attribute__((noinline)) void parse_row(char *page, size_t bytes) {
    for (size_t at = 0; at < bytes; at++)
        page[at] = (char)(at * 31 + sink);
    sink++;
}

__attribute__((noinline)) void load_catalog(int rows) {
    char *pages = malloc(1 << 16);
    for (int row = 0; row < rows; row++)
        parse_row(pages, 1 << 16);
    free(pages);
    sink++;
}

int main(void) {
    puts("ready");
    fflush(stdout);
    for (;;)
        load_catalog(1000);
}
