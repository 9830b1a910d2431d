/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stacks of an OOM's processes: of the task that invoked the OOM killer, and of the victim. */
#include "userstack.h"

/* The current task's, then the memcgs: see begin. */
int send_user_stack(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();
	u64 sp, end;

	if (!oom || !s)
		return 0;
	sp = fill_user_stack(&s->user_stack, STACK_TRIGGER);
	end = s->user_stack.end;
	stamp(&s->user_stack.header, oom, REC_USER_STACK);
	records.perf_submit(ctx, &s->user_stack, sizeof(s->user_stack));
	if (sp)
		submit_user_pieces(ctx, oom, 0, sp, end);
	parts.call(ctx, SEND_MEMCGS);
	return 0;
}

/*
 * do_exit(code): the victim has taken the signal, and still has its memory, unless the oom_reaper was faster. Others that
 * exit are not looked at.
 */
int do_exit(struct pt_regs *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32, pid = bpf_get_current_pid_tgid();
	struct doomed *found = doomed.lookup(&tgid), of;
	union scratch *s = get_scratch();
	u64 sp, end;

	if (!found || !s)
		return 0;
	of = *found;
	if (pid != of.pid && pid != tgid)
		return 0;
	/* Threads end in any order. */
	if (pid != of.pid)
		found->first_gone = 1;
	else if (pid == tgid || of.first_gone)
		doomed.delete(&tgid);
	else
		found->pid = tgid;
	sp = fill_user_stack(&s->user_stack, STACK_VICTIM);
	end = s->user_stack.end;
	stamp_late(&s->user_stack.header, of.oom_id, REC_USER_STACK);
	records.perf_submit(ctx, &s->user_stack, sizeof(s->user_stack));
	if (sp)
		submit_user_pieces(ctx, 0, of.oom_id, sp, end);
	return 0;
}
