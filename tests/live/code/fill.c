/*
 * Fills memory in two functions: three quarters in load_catalog, through parse_row, and one quarter in make_cache. At 8
 * and at 60 MiB it rests: on an emulated CPU of a busy machine the trace comes to look at it some time later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROW 30000 /* no multiple of a page, and four of them none of the kernel's batch of 64 pages */

__attribute__((noinline)) static char *parse_row(int value)
{
	char *row = malloc(ROW);

	memset(row, value, ROW);
	__asm__ volatile("" : : "r"(row) : "memory"); /* it is used, and this is no tail call */
	return row;
}

__attribute__((noinline)) static long load_catalog(int rows)
{
	long sum = 0;

	for (int i = 0; i < rows; i++)
		sum += parse_row(i)[i];
	return sum;
}

__attribute__((noinline)) static long make_cache(int value)
{
	char *entry = malloc(ROW);

	memset(entry, value, ROW);
	__asm__ volatile("" : : "r"(entry) : "memory");
	return entry[value];
}

/* Arguments: how many MiB, none: until there is no more; at how many it rests for the second time. */
int main(int argc, char **argv)
{
	long long most = argc > 1 ? (long long)atoi(argv[1]) << 20 : 1LL << 40;
	long sum = 0, rests = argc > 2 ? atoi(argv[2]) : 60;

	for (long long filled = 0; filled < most; filled += 4 * ROW) {
		sum += load_catalog(3);
		sum += make_cache(2);
		if (filled / (4 * ROW) == (8 << 20) / (4 * ROW) || filled / (4 * ROW) == (rests << 20) / (4 * ROW))
			usleep(500000);
	}
	printf("%ld\n", sum);
	return 0;
}
