/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The larger parts of an OOM's records, each compiled once and tail-called: see enum part. */
#include "charge.h"
#include "common.h"
#include "memcg.h"
#include "names.h"
#include "near.h"
#include "release.h"
#include "stack.h"
#include "task.h"
#include "userstack.h"
#include "who.h"

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
	if (oom->kind == REC_KILLED) {
		watch_release(oom, &s->task.row);
		await_stack(oom, s->task.row.tgid, last_charger(&s->task.row));
	}
	if (oom->kind == REC_CANDIDATE || oom->kind == REC_VICTIM)
		submit_charged(ctx, oom, &s->task.row);
	if (oom->kind == REC_VICTIM) {
		oom->who = s->task.row.task;
		oom->kind = REC_MEMCG;
		oom->subject = s->task.row.memcg;
		parts.call(ctx, SEND_MEMCGS);
	}
	if (oom->kind == REC_KILLED && oom->stage & SILENT)
		parts.call(ctx, SEND_STACK);
	return 0;
}

#define MEMCG_DEPTH 16
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
		submit_history(ctx, oom, memcg);
		seen.update(&key, &id);
		memcg = memcg_parent(memcg);
	}
	oom->subject = memcg;
	parts.call(ctx, SEND_MEMCGS);
out:
	if (oom->stage & SILENT)
		parts.call(ctx, SEND_STATS);
	if (oom->who)
		parts.call(ctx, SEND_WHO);
	return 0;
}

/* Whose process oom->who is. */
int send_who(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom || is_set(SETTING_NO_WITNESS))
		return 0;
	fill_who(&s->who, oom->who);
	oom->who = 0;
	stamp(&s->who.header, oom, REC_WHO);
	records.perf_submit(ctx, &s->who, sizeof(s->who));
	return 0;
}

/* A memcg nears its limit, or the machine its end: what scratch has of it (ring_near), and the memcg's names. */
int send_near(struct pt_regs *ctx)
{
	union scratch *s = get_scratch();
	u64 memcg, parent;
	int i;

	if (!s)
		return 0;
	memcg = s->near.memcg;
	s->near.names_len = 0;
#pragma nounroll
	for (i = 0; i < MEMCG_DEPTH && memcg; i++) {
		u64 cgroup = GET(AT(memcg, mem_cgroup, css), cgroup_subsys_state, cgroup);

		parent = memcg_parent(memcg);
		if (parent) /* else the root, whose name is none */
			add_name(s->near.names, &s->near.names_len, GET(GET(cgroup, cgroup, kn), kernfs_node, name));
		memcg = parent;
	}
	s->near.tgid = bpf_get_current_pid_tgid() >> 32;
	s->near.header.kind = REC_NEAR;
	s->near.header.seq = NO_SEQ;
	s->near.header.oom_id = 0;
	s->near.header.time_ns = bpf_ktime_get_ns();
	records.perf_submit(ctx, &s->near, sizeof(s->near));
	ring(ctx, 1);
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
	submit_stats(ctx, oom, oom->memcg);
	if (!(oom->stage & SILENT) && (state_table_is_hidden() || events_table_is_hidden()))
		submit_stats_text(ctx, oom, oom->memcg);
	oom->stage &= ~SILENT;
	return 0;
}
