/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Charges as they are made. One of these is attached, as --charges and --stacks say. */
#include "charge.h"
#include "near.h"
#include "sample.h"

/* A counter's limit and what it counts towards: side by side in most kernels, and then read at once. */
struct above {
	u64 max, parent;
};

static inline struct above get_above(u64 counter)
{
	struct above above = {};

	if (OFF(page_counter, parent) == OFF(page_counter, max) + 8) {
		bpf_probe_read_kernel(&above, sizeof(above), (void *)AT(counter, page_counter, max));
		return above;
	}
	above.max = GET(counter, page_counter, max);
	above.parent = GET(counter, page_counter, parent);
	return above;
}

/* PAGE_COUNTER_MAX, include/linux/page_counter.h */
#define NO_LIMIT (0x7fffffffffffffffULL >> PAGE_SHIFT)

/*
 * page_counter_try_charge(counter, nr_pages, fail): once for a batch of 64 pages, most of which stay in stock for the
 * next charges. It fails, and nothing is charged, where a counter up to the root has no room. Every read costs as much
 * as forty instructions, so the usage is read only where there is a limit.
 */
static inline int batch(struct pt_regs *ctx, int sampled)
{
	u64 counter = PT_REGS_PARM1(ctx), nr_pages = PT_REGS_PARM2(ctx), at = counter, now = bpf_ktime_get_ns(), task;
	u32 fails = 0, rung = 0, near = 0, python = 0;
	struct charges *found;
	int i;

#pragma nounroll
	for (i = 0; i < COUNTER_DEPTH && at; i++) {
		struct above above = get_above(at);

		if (above.max < NO_LIMIT) {
			u64 usage = GET(at, page_counter, usage) + nr_pages;

			if (usage > above.max) {
				fails = 1;
				break;
			}
			if (!is_noted(i, at, usage, above.max, now))
				rung |= note_usage(at, usage, above.max, now);
			if (sampled)
				near |= usage * 10 > above.max * 9;
		}
		at = above.parent;
	}
	task = bpf_get_current_pid_tgid();
	if (!fails) {
		struct charger by = {counter, task >> 32};
		u64 slot = now >> SLOT_SHIFT;

		if (sampled) {
			found = count_charge(by, task, nr_pages, slot);
			if (found)
				python = sample_charge(ctx, found, counter, nr_pages, near, now);
		} else if (!add_pending(by, task, nr_pages, slot)) {
			count_charge(by, task, nr_pages, slot);
		}
	}
	if (rung)
		parts.call(ctx, SEND_NEAR);
	if (python)
		parts.call(ctx, SEND_PYTHON);
	return 0;
}

int charge_batch(struct pt_regs *ctx)
{
	return batch(ctx, 0);
}

/* The same, and now and then where in its code the process is. */
int charge_batch_sampled(struct pt_regs *ctx)
{
	return batch(ctx, 1);
}

static inline void charge_one(u64 memcg, u32 nr_pages)
{
	u64 task = bpf_get_current_pid_tgid();
	struct charger by = {AT(memcg, mem_cgroup, memory), task >> 32};

	if (!add_pending(by, task, nr_pages, ANY_SLOT))
		count_charge(by, task, nr_pages, bpf_ktime_get_ns() >> SLOT_SHIFT);
}

/* try_charge (up to 5.12) or try_charge_memcg (memcg, gfp_mask, nr_pages): every charge, tenfold as often. */
int charge_every(struct pt_regs *ctx)
{
	charge_one(PT_REGS_PARM1(ctx), PT_REGS_PARM3(ctx));
	return 0;
}

/*
 * The same without a kprobe, which costs three times as much where charging is hot. Not for batches: they are rare, and
 * the kernel names a trampoline on the stack by a size that nobody else is told.
 */
int charge_every_direct(struct arguments *ctx)
{
	charge_one(ctx->arg[0], ctx->arg[2]);
	return 0;
}
