/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decision: mm/oom_kill.c from out_of_memory to the kill. Each program is named after the function it enters. */
#include "charge.h"
#include "common.h"
#include "effort.h"
#include "task.h"

/* Take an OOM in hand: its first record, then the memcg and that of the current task up to the root. */
static inline void begin(struct pt_regs *ctx, u32 kind, u64 oc, u64 memcg, u32 gfp_mask, s32 order, u64 since_ns)
{
	u64 task = bpf_get_current_task();
	struct oom_state fresh = {}, *oom;
	union scratch *s = get_scratch();
	u32 tid = bpf_get_current_pid_tgid();

	fresh.oom_id = bpf_ktime_get_ns();
	fresh.oc = oc;
	fresh.memcg = memcg;
	ooms.update(&tid, &fresh);
	oom = ooms.lookup(&tid);
	if (!s || !oom)
		return;
	s->begin.waiting_since_ns = since_ns;
	s->begin.memcg = memcg;
	s->begin.trigger_memcg = task_memcg(task);
	s->begin.pid = tid;
	s->begin.tgid = bpf_get_current_pid_tgid() >> 32;
	s->begin.uid = GET(GET(task, task_struct, real_cred), cred, euid);
	s->begin.oom_score_adj = (s16)GET(GET(task, task_struct, signal), signal_struct, oom_score_adj);
	s->begin.gfp_mask = gfp_mask;
	s->begin.order = order;
	COPY(s->begin.comm, task, task_struct, comm);
	stamp(&s->begin.header, oom, kind);
	oom->next_subject = s->begin.trigger_memcg;
	records.perf_submit(ctx, &s->begin, sizeof(s->begin));
	submit_effort(ctx, oom);
	ring_for(ctx, memcg, bpf_get_current_pid_tgid() >> 32);
	oom->who = task;
	oom->kind = REC_MEMCG;
	oom->subject = memcg;
	parts.call(ctx, SEND_USER_STACK);
}

/* out_of_memory(oc): oom_lock is held from here to the kill. */
int out_of_memory(struct pt_regs *ctx)
{
	u64 oc = PT_REGS_PARM1(ctx);

	collect_pending();
	begin(ctx, REC_BEGIN, oc, GET(oc, oom_control, memcg), GET(oc, oom_control, gfp_mask),
	      GET(oc, oom_control, order), 0);
	return 0;
}

/*
 * cgroup v1 with memory.oom_control set: nobody is killed, the task that could not charge sleeps in
 * mem_cgroup_oom_synchronize until there is room. Gone with CONFIG_MEMCG_V1.
 */
struct wait {
	u64 since_ns;
	u64 memcg;
	u32 gfp_mask;
	s32 order;
};
BPF_TABLE("lru_hash", u32, struct wait, waits, 1024);

int mem_cgroup_oom_synchronize(struct pt_regs *ctx)
{
	u64 task = bpf_get_current_task();
	u32 tid = bpf_get_current_pid_tgid();
	struct wait wait = {};

	if (!HAVE(task_struct, memcg_in_oom))
		return 0;
	wait.memcg = GET(task, task_struct, memcg_in_oom);
	if (!wait.memcg || !PT_REGS_PARM1(ctx)) /* handle == false: on the way out, nothing is waited for */
		return 0;
	wait.since_ns = bpf_ktime_get_ns();
	wait.gfp_mask = wait.order = -1; /* not kept by every kernel */
	if (HAVE(task_struct, memcg_oom_gfp_mask) && HAVE(task_struct, memcg_oom_order)) {
		wait.gfp_mask = GET(task, task_struct, memcg_oom_gfp_mask);
		wait.order = GET(task, task_struct, memcg_oom_order);
	}
	waits.update(&tid, &wait);
	begin(ctx, REC_WAIT, 0, wait.memcg, wait.gfp_mask, wait.order, 0);
	return 0;
}

int mem_cgroup_oom_synchronize_return(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct wait wait, *found = waits.lookup(&tid);

	if (!found)
		return 0;
	wait = *found;
	waits.delete(&tid);
	begin(ctx, REC_WAITED, 0, wait.memcg, wait.gfp_mask, wait.order, wait.since_ns);
	return 0;
}

/* oom_evaluate_task(task, oc): every task that the kernel weighs. */
int oom_evaluate_task(struct pt_regs *ctx)
{
	send(ctx, SEND_TASK, REC_CANDIDATE, PT_REGS_PARM1(ctx));
	return 0;
}

static inline void weighed(void *ctx, s64 points)
{
	struct oom_state *oom = get_oom();
	struct rec_badness record = {};

	if (!oom || oom->kind != REC_CANDIDATE || oom->stage & DECIDED)
		return;
	record.pid = GET(oom->subject, task_struct, pid);
	record.points = points;
	stamp(&record.header, oom, REC_BADNESS);
	records.perf_submit(ctx, &record, sizeof(record));
}

/* oom_badness(p, totalpages) returns what the task that is being weighed is worth. /proc/PID/oom_score calls it, too. */
int oom_badness_return(struct pt_regs *ctx)
{
	weighed(ctx, PT_REGS_RC(ctx));
	return 0;
}

/* The same by BPF's own trampoline, where the result follows the arguments; a kretprobe takes many times as long. */
int oom_badness_direct(struct arguments *ctx)
{
	weighed(ctx, ctx->arg[2]);
	return 0;
}

/* oom_kill_process(oc, message): the choice is made; what the rate limit suppresses starts after this. */
int oom_kill_process(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	u64 chosen;

	if (!oom)
		return 0;
	oom->stage |= DECIDED;
	submit_report(ctx, oom, REC_CHOSEN);
	chosen = GET(oom->oc, oom_control, chosen);
	ring_for(ctx, oom->memcg, GET(chosen, task_struct, tgid)); /* while the kernel prints */
	send(ctx, SEND_TASK, REC_VICTIM, chosen);
	return 0;
}

/*
 * mem_cgroup_get_oom_group(victim, oom_domain) stands between the report and the kill, for every kind of OOM. If the
 * kernel has printed nothing (rate limit), what it would have printed is taken here: stack, counters, statistics.
 */
int mem_cgroup_get_oom_group(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (!oom || oom->stage & PRINTED)
		return 0;
	oom->stage |= SILENT;
	parts.call(ctx, SEND_STACK);
	return 0;
}

/* __oom_kill_process(victim, message) */
int __oom_kill_process(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (oom)
		oom->stage |= KILLING;
	send(ctx, SEND_TASK, REC_KILL, PT_REGS_PARM1(ctx));
	return 0;
}

/*
 * mark_oom_victim(tsk): SIGKILL has been sent, the Killed line comes next, task_lock is held. Or the victim, chosen or
 * the task itself that invoked the OOM killer, is exiting already (task_will_free_mem), nothing is printed, and what
 * would have been is taken here; unless it is the victim of an earlier OOM, which wants memory once more on its way
 * out: then nothing has been decided.
 */
int mark_oom_victim(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	u64 task = PT_REGS_PARM1(ctx);

	if (!oom)
		return 0;
	if (!(oom->stage & KILLING) && GET(GET(task, task_struct, signal), signal_struct, oom_mm))
		return 0;
	if (!(oom->stage & (PRINTED | KILLING)))
		oom->stage |= SILENT;
	send(ctx, SEND_TASK, REC_KILLED, task);
	return 0;
}

/* mem_cgroup_print_oom_group(memcg): "Tasks in … are going to be killed" */
int mem_cgroup_print_oom_group(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	struct rec_group record = {};

	if (!oom)
		return 0;
	record.memcg = PT_REGS_PARM1(ctx);
	stamp(&record.header, oom, REC_GROUP);
	records.perf_submit(ctx, &record, sizeof(record));
	send(ctx, SEND_MEMCGS, REC_MEMCG, PT_REGS_PARM1(ctx));
	return 0;
}

/* queue_oom_reaper(tsk): the last thing done for a victim. */
int queue_oom_reaper(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	struct rec_done record = {};

	if (!oom)
		return 0;
	oom->stage &= ~KILLING;
	record.pid = GET(PT_REGS_PARM1(ctx), task_struct, pid);
	stamp(&record.header, oom, REC_DONE);
	records.perf_submit(ctx, &record, sizeof(record));
	ring(ctx, 1);
	return 0;
}
