/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decision: mm/oom_kill.c from out_of_memory to the kill. Each program is named after the function it enters. */
#include "common.h"
#include "memcg.h"
#include "stack.h"
#include "task.h"

/* out_of_memory(oc): oom_lock is held from here to the kill. */
int out_of_memory(struct pt_regs *ctx)
{
	u64 task = bpf_get_current_task(), oc = PT_REGS_PARM1(ctx);
	struct oom_state fresh = {}, *oom;
	union scratch *s = get_scratch();
	u32 tid = bpf_get_current_pid_tgid();

	fresh.oom_id = bpf_ktime_get_ns();
	fresh.oc = oc;
	fresh.memcg = GET(oc, oom_control, memcg);
	ooms.update(&tid, &fresh);
	oom = ooms.lookup(&tid);
	if (!s || !oom)
		return 0;
	s->begin.oc = oc;
	s->begin.memcg = oom->memcg;
	s->begin.trigger_memcg = task_memcg(task);
	s->begin.pid = tid;
	s->begin.tgid = bpf_get_current_pid_tgid() >> 32;
	s->begin.uid = GET(GET(task, task_struct, real_cred), cred, euid);
	s->begin.oom_score_adj = GET(GET(task, task_struct, signal), signal_struct, oom_score_adj);
	s->begin.gfp_mask = GET(oc, oom_control, gfp_mask);
	s->begin.order = GET(oc, oom_control, order);
	COPY(s->begin.comm, task, task_struct, comm);
	stamp(&s->begin.header, oom, REC_BEGIN);
	records.perf_submit(ctx, &s->begin, sizeof(s->begin));
	submit_ancestry(ctx, oom, oom->memcg);
	submit_ancestry(ctx, oom, task_memcg(task));
	return 0;
}

/* oom_evaluate_task(task, oc): every task that the kernel weighs. */
int oom_evaluate_task(struct pt_regs *ctx)
{
	u64 oc = PT_REGS_PARM2(ctx);
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom)
		return 0;
	s->candidate.totalpages = GET(oc, oom_control, totalpages);
	s->candidate.chosen = GET(oc, oom_control, chosen);
	s->candidate.chosen_points = GET(oc, oom_control, chosen_points);
	fill_task(&s->candidate.row, PT_REGS_PARM1(ctx));
	stamp(&s->candidate.header, oom, REC_CANDIDATE);
	records.perf_submit(ctx, &s->candidate, sizeof(s->candidate));
	return 0;
}

/* oom_kill_process(oc, message): the choice is made; what the rate limit suppresses starts after this. */
int oom_kill_process(struct pt_regs *ctx)
{
	u64 oc = PT_REGS_PARM1(ctx), victim, nodemask;
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom)
		return 0;
	victim = GET(oc, oom_control, chosen);
	nodemask = GET(oc, oom_control, nodemask);
	s->chosen.totalpages = GET(oc, oom_control, totalpages);
	s->chosen.chosen_points = GET(oc, oom_control, chosen_points);
	s->chosen.constraint = GET(oc, oom_control, constraint);
	s->chosen.has_nodemask = nodemask != 0;
	bpf_probe_read_kernel(s->chosen.nodemask, sizeof(s->chosen.nodemask), (void *)nodemask);
	s->chosen.message[0] = 0;
	bpf_probe_read_kernel_str(s->chosen.message, MESSAGE_LEN, (void *)PT_REGS_PARM2(ctx));
	fill_task(&s->chosen.row, victim);
	stamp(&s->chosen.header, oom, REC_CHOSEN);
	records.perf_submit(ctx, &s->chosen, sizeof(s->chosen));
	submit_ancestry(ctx, oom, task_memcg(victim));
	return 0;
}

/*
 * mem_cgroup_get_oom_group(victim, oom_domain) stands between the report and the kill, for every kind of OOM. If the
 * kernel has printed nothing (rate limit), what it would have printed is taken here.
 */
int mem_cgroup_get_oom_group(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (!oom || oom->stage & PRINTED)
		return 0;
	submit_stack(ctx, oom);
	if (!oom->memcg)
		return 0;
	submit_memcg(ctx, oom, REC_COUNTERS, oom->memcg);
	submit_stats(ctx, oom, oom->memcg);
	return 0;
}

/* __oom_kill_process(victim, message) */
int __oom_kill_process(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom)
		return 0;
	oom->stage |= KILLING;
	s->kill.message[0] = 0;
	bpf_probe_read_kernel_str(s->kill.message, MESSAGE_LEN, (void *)PT_REGS_PARM2(ctx));
	fill_task(&s->kill.row, PT_REGS_PARM1(ctx));
	stamp(&s->kill.header, oom, REC_KILL);
	records.perf_submit(ctx, &s->kill, sizeof(s->kill));
	return 0;
}

/* mark_oom_victim(tsk): SIGKILL has been sent, the Killed line comes next, task_lock is held. */
int mark_oom_victim(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom)
		return 0;
	oom->stage &= ~KILLING;
	fill_task(&s->task.row, PT_REGS_PARM1(ctx));
	stamp(&s->task.header, oom, REC_KILLED);
	records.perf_submit(ctx, &s->task, sizeof(s->task));
	return 0;
}

/* mem_cgroup_print_oom_group(memcg): "Tasks in … are going to be killed" */
int mem_cgroup_print_oom_group(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (!oom)
		return 0;
	submit_group(ctx, oom, REC_GROUP, PT_REGS_PARM1(ctx));
	submit_ancestry(ctx, oom, PT_REGS_PARM1(ctx));
	return 0;
}

/* queue_oom_reaper(tsk): the last thing done for a victim. */
int queue_oom_reaper(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (oom)
		submit_group(ctx, oom, REC_DONE, GET(PT_REGS_PARM1(ctx), task_struct, pid));
	return 0;
}
