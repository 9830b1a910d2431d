/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mm is a victim's, so that its end can be told. */
#ifndef OOMTRACE_RELEASE_H
#define OOMTRACE_RELEASE_H

#include "common.h"

struct release {
	u64 oom_id;
	u64 anon_pages;
	u64 mm;
	u64 tgid;
};
BPF_TABLE("lru_hash", u64, struct release, victims, 4096); /* by mm */
BPF_TABLE("lru_hash", u32, u64, victim_ooms, 4096);	   /* oom_id by pid, which is all that the oom_reaper tells */

static inline void watch_release(struct oom_state *oom, struct task_row *row)
{
	struct release release = {.oom_id = oom->oom_id, .mm = row->mm, .tgid = row->tgid};
	u64 mm = row->mm, oom_id = oom->oom_id;
	u32 pid = row->pid;

	victim_ooms.update(&pid, &oom_id);
	if (mm)
		victims.update(&mm, &release);
}

#define SIGKILL 9
#define SEND_SIG_FORCED 2 /* what the OOM killer gives as info, up to 4.19; after that SEND_SIG_PRIV, 1 */

/*
 * A signal on its way to a task: if the OOM killer sends it, tell of the task, which dies if only for sharing the victim's
 * mm. What comes from a process has an info of its own: a task whose kill ended early may send signals, much later.
 */
static inline int tell_of_oom(struct pt_regs *ctx, u32 sig, u64 info, u64 task)
{
	struct oom_state *oom;

	if (sig != SIGKILL || info > SEND_SIG_FORCED)
		return 0;
	oom = get_oom();
	if (!oom || !(oom->stage & KILLING))
		return 0;
	send(ctx, SEND_TASK, REC_SIGNALLED, task);
	return 1;
}

/* The header of a record that another task sends of an OOM, at any time after it. */
static inline void stamp_late(struct rec_header *header, u64 oom_id, u32 kind)
{
	header->kind = kind;
	header->seq = NO_SEQ;
	header->oom_id = oom_id;
	header->time_ns = bpf_ktime_get_ns();
}

#endif
