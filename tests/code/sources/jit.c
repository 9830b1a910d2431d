// Makes a function at run time, as a JIT compiler does, says its name in /tmp/perf-PID.map, and stays in it.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    // push %rbp; mov %rsp,%rbp; mov $0x10000000,%ecx; 1: dec %ecx; jnz 1b; pop %rbp; ret
    static const unsigned char code[] = {
        0x55, 0x48, 0x89, 0xe5, 0xb9, 0x00, 0x00, 0x00, 0x10, 0xff, 0xc9, 0x75, 0xfc, 0x5d, 0xc3,
    };
    void *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, sizeof(code));
    char path[64];
    snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
    FILE *map = fopen(path, "w");
    fprintf(map, "%lx %lx jit:fill\n", (unsigned long)page, sizeof(code));
    fclose(map);
    puts("ready");
    fflush(stdout);
    for (;;)
        ((void (*)(void))page)();
}
