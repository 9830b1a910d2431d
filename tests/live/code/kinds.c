/* Charges memory of each kind, by a function of that name; then anonymous memory until there is no more. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1 << 20)

static char buffer[MIB];

static void put(int file, int megabytes)
{
	for (int i = 0; i < megabytes; i++)
		if (write(file, buffer, MIB) != MIB)
			_exit(90);
}

__attribute__((noinline)) static int shmem(void)
{
	int file = memfd_create("shmem", 0);

	put(file, 16);
	return file;
}

/* What is read of a file that is not in memory. */
__attribute__((noinline)) static int file(const char *path)
{
	int file = open(path, O_RDONLY), sum = 0;

	while (read(file, buffer, MIB) > 0)
		sum += buffer[0];
	return sum;
}

/* Pages of pipes: charged as kernel memory. */
__attribute__((noinline)) static int kernel(void)
{
	int ends[2], sum = 0;

	for (int i = 0; i < 256; i++) {
		if (pipe(ends) || write(ends[1], buffer, 65536) != 65536)
			_exit(91);
		sum += ends[0];
	}
	return sum;
}

__attribute__((noinline)) static void anonymous(void)
{
	for (;;)
		memset(malloc(30000), 1, 30000);
}

int main(int argc, char **argv)
{
	volatile int sum;

	if (argc < 2)
		return 92;
	sum = shmem();
	sum += file(argv[1]);
	sum += kernel();
	anonymous();
	return sum;
}
