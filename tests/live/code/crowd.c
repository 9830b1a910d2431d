/*
 * The victim is not the one that asks: the first thread waits, a second one fills 40 MiB, tells another process, and
 * rests; that one, which is smaller, asks for more than there is. On the second thread's stack lies what no report may
 * have.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1 << 20)

extern char **environ;
static int ends[2]; /* of a pipe */

static void keep(void *memory)
{
	__asm__ volatile("" : : "r"(memory) : "memory");
}

__attribute__((noinline)) static void rest(const char *secret)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "secret-%s", secret);
	keep(copy);
	for (;;)
		pause();
}

__attribute__((noinline)) static void *fill_and_rest(void *secret)
{
	char *memory = malloc(40 * MIB);

	memset(memory, 1, 40 * MIB);
	keep(memory);
	if (write(ends[1], "", 1) == 1)
		rest(secret);
	return 0;
}

__attribute__((noinline)) static void ask_for_more(void)
{
	char *memory = malloc(28 * MIB);

	memset(memory, 2, 28 * MIB);
	keep(memory);
}

__attribute__((noinline)) static void wait_for_all(pthread_t thread)
{
	pthread_join(thread, 0);
	keep(&thread);
}

int main(int argc, char **argv)
{
	char secret[] = {'o', 'n', '-', 't', 'h', 'e', '-', 's', 't', 'a', 'c', 'k', 0}, end[12], byte;
	char *again[] = {argv[0], end, 0};
	pthread_t thread;
	pid_t asker;

	if (argc > 1) {
		if (read(atoi(argv[1]), &byte, 1) == 1)
			sleep(2); /* on an emulated CPU of a busy machine the trace comes to look at the other some time later */
		ask_for_more();
		return 0;
	}
	if (pipe(ends))
		return 90;
	snprintf(end, sizeof(end), "%d", ends[0]);
	posix_spawn(&asker, "/proc/self/exe", 0, 0, again, environ);
	pthread_create(&thread, 0, fill_and_rest, secret);
	wait_for_all(thread);
	return 0;
}
