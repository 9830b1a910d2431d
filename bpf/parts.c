/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The larger parts of an OOM's records, each compiled once and tail-called: see enum part. */
#include "charge.h"
#include "common.h"
#include "memcg.h"
#include "release.h"
#include "stack.h"
#include "task.h"

/* What is chosen so far. Side by side in every kernel that has been seen, and then read at once. */
static inline void fill_choice(struct rec_task *to, u64 oc)
{
	u64 first = OFF(oom_control, totalpages);

	if (OFF(oom_control, chosen) == first + 8 && OFF(oom_control, chosen_points) == first + 16) {
		bpf_probe_read_kernel(&to->totalpages, 24, (void *)(oc + first));
		return;
	}
	to->totalpages = GET(oc, oom_control, totalpages);
	to->chosen = GET(oc, oom_control, chosen);
	to->chosen_points = GET(oc, oom_control, chosen_points);
}

/* The task oom->subject, as oom->kind. */
int send_task(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom)
		return 0;
	fill_choice(&s->task, oom->oc);
	fill_task(&s->task.row, oom->subject);
	stamp(&s->task.header, oom, oom->kind);
	if (oom->kind == REC_KILL) {
		/* __oom_kill_process(victim, message) */
		s->task.message[0] = 0;
		bpf_probe_read_kernel_str(s->task.message, MESSAGE_LEN, (void *)PT_REGS_PARM2(ctx));
		records.perf_submit(ctx, &s->task, sizeof(s->task));
		return 0;
	}
	records.perf_submit(ctx, &s->task, offsetof(struct rec_task, message));
	if (oom->kind == REC_KILLED)
		watch_release(oom, &s->task.row);
	if (oom->kind == REC_CANDIDATE || oom->kind == REC_VICTIM)
		submit_charged(ctx, oom, &s->task.row);
	if (oom->kind == REC_VICTIM) {
		oom->kind = REC_MEMCG;
		oom->subject = s->task.row.memcg;
		parts.call(ctx, SEND_MEMCGS);
	}
	if (oom->kind == REC_KILLED && oom->stage & SILENT)
		parts.call(ctx, SEND_STACK);
	return 0;
}

#define MEMCGS_AT_ONCE 8 /* then it calls itself: the verifier looks at each round of a loop, but once at a call */

/*
 * The memcg oom->subject. As REC_MEMCG: it and all its ancestors, then the same for oom->next_subject, each once an
 * OOM. As another kind: it alone.
 */
int send_memcgs(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	u64 memcg, id, *sent;
	int i;

	if (!oom)
		return 0;
	memcg = oom->subject;
	id = oom->oom_id;
#pragma nounroll
	for (i = 0; i < MEMCGS_AT_ONCE; i++) {
		u64 key = memcg;

		sent = seen.lookup(&key);
		if (!memcg || (oom->kind == REC_MEMCG && sent && *sent == id)) {
			memcg = oom->next_subject;
			oom->next_subject = 0;
			if (!memcg)
				goto out;
			continue;
		}
		submit_memcg(ctx, oom, memcg);
		if (oom->kind != REC_MEMCG)
			goto out;
		seen.update(&key, &id);
		memcg = memcg_parent(memcg);
	}
	oom->subject = memcg;
	parts.call(ctx, SEND_MEMCGS);
out:
	if (oom->stage & SILENT)
		parts.call(ctx, SEND_STATS);
	return 0;
}

/* The call trace of the current task, from the probed function up. */
int send_stack(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (!oom)
		return 0;
	submit_stack(ctx, oom);
	if (!(oom->stage & SILENT))
		return 0;
	if (!oom->memcg) {
		parts.call(ctx, SEND_MEMORY);
		return 0;
	}
	oom->kind = REC_COUNTERS;
	oom->subject = oom->memcg;
	parts.call(ctx, SEND_MEMCGS);
	return 0;
}

/* The statistics of the memcg that is full. */
int send_stats(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (!oom)
		return 0;
	oom->stage &= ~SILENT;
	submit_stats(ctx, oom, oom->memcg);
	return 0;
}
