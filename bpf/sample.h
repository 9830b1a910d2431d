/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who charges, by code: now and then, at a batch of pages, where the process is in its own code.
 *
 * A sample stands for all pages that the process has charged to the memcg since the one before, so that their sum is
 * what was charged. The next one is due after so many pages that copying costs little beside the page faults, and
 * later the more a process has charged already: all of its time is then in the ring.
 */
#ifndef OOMTRACE_SAMPLE_H
#define OOMTRACE_SAMPLE_H

#include "charge.h"
#include "python.h"
#include "userstack.h"

/* What is sampled: the one element of `sampling`. */
enum sample_mode {
	SAMPLE_NONE = 0,
	SAMPLE_NEAR = 1,   /* charges to memcgs that are above nine tenths of a limit, their own or an ancestor's */
	SAMPLE_ALL = 2,
	SAMPLE_CGROUP = 3, /* those to one cgroup and all below it */
};

enum sample_scope {
	SCOPE_UNKNOWN = 0,
	SCOPE_IN = 1,
	SCOPE_OUT = 2,
};

struct sampling {
	u64 mode;
	u64 cgroup_id;
};
BPF_ARRAY(sampling, struct sampling, 1);
BPF_PERF_OUTPUT(samples); /* the newest are kept; read at an OOM */
BPF_PERCPU_ARRAY(sample_scratch, struct rec_sample, 1);

#define BATCH_PAGES 64
#define BYTES_A_PAGE_SHIFT 5 /* that are copied for each page: 32 */
#define PYTHON_COSTS 6144    /* bytes */
#define SHARE_SHIFT 8	     /* of what a process has charged, a sample is to be a 256th at least */
#define DENSE_PAGES 32768    /* up to these SAMPLE_CGROUP has one at each batch: two milliseconds for a process */
#define MOST_PAGES 4096	     /* that a sample stands for, or little more */
#define LOOK_PAGES 1024	     /* a process that has charged less is not worth a look, but for SAMPLE_CGROUP */
#define LOOK_ONLY ((u64)-1)  /* in the place of a bell's memcg */

/* Whether the charge is to the cgroup or to one below it. */
static inline u32 scope_of(u64 counter, u64 cgroup_id)
{
	u64 at = counter, cgroup;
	int i;

#pragma nounroll
	for (i = 0; i < COUNTER_DEPTH && at; i++) {
		cgroup = GET(AT(at - OFF(mem_cgroup, memory), mem_cgroup, css), cgroup_subsys_state, cgroup);
		if (GET(GET(cgroup, cgroup, kn), kernfs_node, id) == cgroup_id)
			return SCOPE_IN;
		at = GET(at, page_counter, parent);
	}
	return SCOPE_OUT;
}

static inline u32 is_sampled(struct sampling *asked, struct charges *by, u64 counter, u32 near)
{
	if (asked->mode == SAMPLE_NEAR)
		return near;
	if (asked->mode != SAMPLE_CGROUP)
		return asked->mode == SAMPLE_ALL;
	if (by->scope == SCOPE_UNKNOWN)
		by->scope = scope_of(counter, asked->cgroup_id);
	return by->scope == SCOPE_IN;
}

static inline void fill_memcgs(struct rec_sample *to, u64 counter)
{
	u64 at = counter;
	int i;

#pragma unroll
	for (i = 0; i < SAMPLE_MEMCGS; i++) {
		to->memcgs[i] = at ? at - OFF(mem_cgroup, memory) : 0;
		if (at)
			at = GET(at, page_counter, parent);
	}
}

#define SHORT_PIECE 512

/* Its stack from sp up: in one piece or, where that fails as the stack ends before, in short ones. */
static inline u64 fill_user_memory(struct rec_sample *to, u64 sp, u64 end)
{
	u64 bytes = USER_PIECE, at;
	int i;

	if (end && end - sp < bytes)
		bytes = end - sp;
	if (!bytes)
		return 0;
	asm volatile("%0 += -1\n%0 &= 4095\n%0 += 1" : "+r"(bytes)); /* see piece_bytes */
	if (!bpf_probe_read_user(to->memory, bytes, (void *)sp))
		return bytes;
#pragma unroll
	for (i = 0; i < USER_PIECE / SHORT_PIECE; i++) {
		at = sp + i * SHORT_PIECE;
		if (bpf_probe_read_user(to->memory + i * SHORT_PIECE, SHORT_PIECE, (void *)at))
			return i * SHORT_PIECE;
	}
	return USER_PIECE;
}

/* What the current task does. Amid an interrupt, which has a stack of its own, that says nothing. */
static inline void fill_sample(struct pt_regs *ctx, struct rec_sample *to)
{
	u64 task = bpf_get_current_task(), sp = PT_REGS_SP(ctx), id = bpf_get_current_pid_tgid();

	to->tgid = id >> 32;
	to->pid = id;
	to->length = to->registers_bytes = 0;
	to->sp = to->end = 0;
	to->interrupt = sp - GET(task, task_struct, stack) >= STACK_BYTES;
	bpf_get_current_comm(to->comm, COMM_LEN);
	bpf_probe_read_kernel(to->kernel, sizeof(to->kernel), (void *)sp);
	if (to->interrupt)
		return;
	to->registers_bytes = copy_registers(to->registers, task);
	if (!to->registers_bytes)
		return;
	to->sp = user_register(to->registers, ARCH(stack_pointer));
	to->end = stack_end(task, to->sp);
	to->length = fill_user_memory(to, to->sp, to->end);
}

/*
 * When the next one is due: when copying has cost little, and not at every so many pages exactly. `copied`: bytes, and
 * for reading the functions of Python as many as could have been copied meanwhile.
 */
static inline u64 next_sample(struct charges *by, u64 copied)
{
	u64 pages = copied >> BYTES_A_PAGE_SHIFT, share = by->sampled >> SHARE_SHIFT;

	if (pages < share)
		pages = share;
	if (pages > MOST_PAGES)
		pages = MOST_PAGES;
	if (pages <= BATCH_PAGES)
		return BATCH_PAGES;
	return pages / 2 + (bpf_get_prandom_u32() * pages >> 32);
}

/* Returns whether the sample is of a Python program, whose functions SEND_PYTHON sends. */
static inline u32 sample_charge(struct pt_regs *ctx, struct charges *by, u64 counter, u64 nr_pages, u32 near, u64 now)
{
	u32 zero = 0, python;
	struct sampling *asked = sampling.lookup(&zero);
	struct rec_sample *to;
	u64 bytes;

	if (!asked || !is_sampled(asked, by, counter, near))
		return 0;
	by->unsampled += nr_pages;
	if (by->unsampled < by->next)
		return 0;
	to = sample_scratch.lookup(&zero);
	if (!to)
		return 0;
	to->header.kind = REC_SAMPLE;
	to->header.seq = NO_SEQ;
	to->header.time_ns = now;
	to->pages = by->unsampled;
	fill_memcgs(to, counter);
	fill_sample(ctx, to);
	bytes = to->length & (2 * USER_PIECE - 1);
	if (bytes > USER_PIECE)
		return 0;
	samples.perf_submit(ctx, to, offsetof(struct rec_sample, memory) + bytes);
	by->sampled += by->unsampled;
	by->unsampled = 0;
	python = to->registers_bytes && awaits_python(to->tgid, now);
	if (asked->mode == SAMPLE_CGROUP && by->sampled < DENSE_PAGES)
		by->next = BATCH_PAGES;
	else
		by->next = next_sample(by, bytes + offsetof(struct rec_sample, memory) + (python ? PYTHON_COSTS : 0));
	if (!by->look_at)
		by->look_at = asked->mode == SAMPLE_CGROUP ? 1 : LOOK_PAGES;
	if (by->sampled >= by->look_at) {
		by->look_at = 4 * by->sampled;
		ring_for(ctx, LOOK_ONLY, to->tgid);
	}
	return python;
}

#endif
