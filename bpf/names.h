/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths, from the last name up: the names one after the other, each with a NUL. Python turns them round. */
#ifndef OOMTRACE_NAMES_H
#define OOMTRACE_NAMES_H

#include "common.h"

#define NAMES_ROOM 512 /* a power of two; one more name fits behind it */

/*
 * Append a name; `end` is where the names end so far, and is kept in the record: the verifier does not track a number in
 * there, and so need not look at a loop's rounds for each length that a path may have.
 */
static inline void add_name(char *names, u32 *end, u64 name)
{
	u64 at = *end;
	long bytes;

	if (at >= NAMES_ROOM)
		return;
	bytes = bpf_probe_read_kernel_str(names + (at & (NAMES_ROOM - 1)), NAMES_LEN - NAMES_ROOM, (void *)name);
	if (bytes > 1)
		*end = at + bytes;
}

#endif
