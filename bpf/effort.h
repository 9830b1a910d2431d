/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a task tries to reclaim before it gets its memory, kills, or fails. Only the slow path comes here. */
#ifndef OOMTRACE_EFFORT_H
#define OOMTRACE_EFFORT_H

#include "common.h"

/* An attempt that comes later than this after the last one belongs to another allocation. */
#define EFFORT_GAP_NS 1000000000ULL

struct effort {
	u64 memcg; /* 0: reclaim for the whole machine */
	u64 since_ns;
	u64 last_ns;
	u64 nr_pages;
	u64 scanned[2]; /* pages, as vmpressure hears of them: by memcg, and for all below the target together */
	u64 reclaimed[2];
	u32 gfp_mask;
	u32 attempts;
	u32 fruitless; /* attempts for which try_charge does not try again for ever */
	u32 suppressed;
	u64 frames[EFFORT_FRAMES];
};
BPF_TABLE("lru_hash", u32, struct effort, efforts, 1024);

/* Another attempt of the current task. */
static inline struct effort *another_attempt(u64 memcg, u64 nr_pages, u32 gfp_mask)
{
	u64 now = bpf_ktime_get_ns();
	u32 tid = bpf_get_current_pid_tgid();
	struct effort *effort = efforts.lookup(&tid);

	if (!effort || effort->memcg != memcg || effort->nr_pages != nr_pages || now - effort->last_ns > EFFORT_GAP_NS) {
		struct effort fresh = {.memcg = memcg, .since_ns = now, .nr_pages = nr_pages, .gfp_mask = gfp_mask};

		efforts.update(&tid, &fresh);
		effort = efforts.lookup(&tid);
		if (!effort)
			return 0;
	}
	effort->last_ns = now;
	effort->attempts++;
	return effort;
}

/* The current task's attempts, if they are part of this: sent once. */
static inline void submit_effort(struct pt_regs *ctx, struct oom_state *oom)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct effort *effort = efforts.lookup(&tid);
	union scratch *s = get_scratch();
	int whole;

	if (!s || !effort || bpf_ktime_get_ns() - effort->last_ns > EFFORT_GAP_NS)
		return;
	whole = effort->scanned[1] > effort->scanned[0];
	s->effort.since_ns = effort->since_ns;
	s->effort.scanned_pages = whole ? effort->scanned[1] : effort->scanned[0];
	s->effort.reclaimed_pages = whole ? effort->reclaimed[1] : effort->reclaimed[0];
	s->effort.attempts = effort->attempts;
	s->effort.suppressed = effort->suppressed;
	__builtin_memcpy(s->effort.frames, effort->frames, sizeof(effort->frames));
	stamp(&s->effort.header, oom, REC_EFFORT);
	records.perf_submit(ctx, &s->effort, sizeof(s->effort));
	efforts.delete(&tid);
}

#endif
