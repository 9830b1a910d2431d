/*
 * The same as fill.c by two functions that are made at run time, as a JIT compiler does, and that are named in
 * /tmp/perf-PID.map alone.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROW (9 * 4096)

/* push %rbp; mov %rsp,%rbp; 1: movb $1,(%rdi); add $4096,%rdi; dec %rsi; jnz 1b; pop %rbp; ret */
static const unsigned char CODE[] = {
	0x55, 0x48, 0x89, 0xe5, 0xc6, 0x07, 0x01, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, 0x48, 0xff, 0xce, 0x75, 0xf1, 0x5d, 0xc3,
};

static void *memory(long bytes, int more)
{
	return mmap(0, bytes, PROT_READ | PROT_WRITE | more, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(void)
{
	char *made = memory(4096, PROT_EXEC), path[64];
	void (*parse_row)(void *, long) = (void *)made, (*make_cache)(void *, long) = (void *)(made + 64);
	FILE *map;

	memcpy(made, CODE, sizeof(CODE));
	memcpy(made + 64, CODE, sizeof(CODE));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	map = fopen(path, "w");
	fprintf(map, "%lx %zx jit:parse_row\n%lx %zx jit:make_cache\n", (long)made, sizeof(CODE), (long)made + 64, sizeof(CODE));
	fclose(map);
	for (long turn = 0;; turn++) {
		for (int i = 0; i < 3; i++)
			parse_row(memory(ROW, 0), ROW / 4096);
		make_cache(memory(ROW, 0), ROW / 4096);
		if (turn == (8 << 20) / (4 * ROW) || turn == (60 << 20) / (4 * ROW))
			usleep(500000);
	}
}
