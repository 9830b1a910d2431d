// Runs code as gVisor does: code and stack of the program in the sandbox lie in a memfd of the sandbox. No tables tell of
// them, and this program uses the frame pointer for something else.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 65536

int main(void) {
    static const unsigned char code[] = {0xf3, 0x90, 0xeb, 0xfc}; // 1: pause; jmp 1b
    int memory = memfd_create("runsc-memory", 0);
    if (ftruncate(memory, 2 * SIZE))
        return 1;
    char *text = mmap(0, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, memory, 0);
    unsigned long *stack = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, SIZE);
    memcpy(text + 4096, code, sizeof(code));
    for (unsigned long i = 0; i < SIZE / sizeof(*stack); i++) // as if it had been called from there
        stack[i] = (unsigned long)text + 8192 + i % 64;
    puts("ready");
    fflush(stdout);
    __asm__ volatile("mov %0, %%rsp\n mov $7, %%ebp\n jmp *%1" : : "a"(stack + 512), "d"(text + 4096));
    return 0;
}
