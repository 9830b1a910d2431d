/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory.high: a task whose memcg is above it sleeps on its way back to user space, again and again. Nobody is killed. */
#include "common.h"
#include "memcg.h"
#include "task.h"

#define THROTTLE_GAP_NS 2000000000ULL /* a sleep that comes later than this after the last one is of another spell */
#define THROTTLE_SLEEP_NS 1000000ULL  /* shorter ones are calls that need not sleep */
#define THROTTLE_TOLD_NS 1000000000ULL /* a spell is told of from so much sleep on, and again after as long */
#define THROTTLE_LEVELS 12

/* How long a process has slept, in one spell. Threads that return at the same instant may lose each other's time. */
struct spell {
	struct oom_state state;
	u64 last_ns;
	u64 slept_ns;
	u64 sleeps;
	u64 told_ns;
};
BPF_TABLE("lru_hash", u32, struct spell, spells, 1024); /* by tgid */
BPF_TABLE("lru_hash", u32, u64, throttled, 1024);	/* since when, by tid */

/* Is the memcg, or one above it, above its memory.high? */
static inline int is_above_high(u64 memcg)
{
	u64 at = AT(memcg, mem_cgroup, memory);
	int i;

#pragma nounroll
	for (i = 0; i < THROTTLE_LEVELS && at; i++) {
		if (GET(at, page_counter, usage) > GET(at, page_counter, high))
			return 1;
		at = GET(at, page_counter, parent);
	}
	return 0;
}

/*
 * schedule_timeout_killable(timeout): how mem_cgroup_handle_over_high sleeps, for HZ/100 ticks and more, and few others do;
 * the OOM killer for one tick. mem_cgroup_handle_over_high is no place for a probe: up to 6.17 tasks pass it after each
 * switch (rseq has them look for work on their way to user space), nearly always for nothing.
 */
int over_high(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	if (PT_REGS_PARM1(ctx) > 1 && is_above_high(task_memcg(bpf_get_current_task())))
		throttled.update(&tid, &now);
	return 0;
}

static inline void submit_spell(struct pt_regs *ctx, struct spell *spell, u64 memcg)
{
	u64 task = bpf_get_current_task(), id = spell->state.oom_id;
	struct rec_throttled record = {};
	int i;

	record.memcg = memcg;
	record.slept_ns = spell->slept_ns;
	record.sleeps = spell->sleeps;
	record.tgid = bpf_get_current_pid_tgid() >> 32;
	record.uid = GET(GET(task, task_struct, real_cred), cred, euid);
	COPY(record.comm, GET(task, task_struct, group_leader), task_struct, comm);
	stamp(&record.header, &spell->state, REC_THROTTLED);
	records.perf_submit(ctx, &record, sizeof(record));
	if (spell->told_ns) /* its memcgs are known */
		return;
	spell->state.kind = REC_MEMCG;
#pragma nounroll
	for (i = 0; i < THROTTLE_LEVELS && memcg; i++) {
		submit_memcg(ctx, &spell->state, memcg);
		memcg = memcg_parent(memcg);
	}
	ring(ctx, 0);
}

int over_high_return(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid(), tgid = bpf_get_current_pid_tgid() >> 32;
	u64 now = bpf_ktime_get_ns(), slept_ns, *since = throttled.lookup(&tid);
	struct spell fresh = {}, *spell;

	if (!since)
		return 0;
	slept_ns = now - *since;
	fresh.state.oom_id = *since;
	throttled.delete(&tid);
	if (slept_ns < THROTTLE_SLEEP_NS)
		return 0;
	spell = spells.lookup(&tgid);
	if (!spell || now - spell->last_ns > THROTTLE_GAP_NS + slept_ns) {
		spells.update(&tgid, &fresh);
		spell = spells.lookup(&tgid);
		if (!spell)
			return 0;
	}
	spell->last_ns = now;
	spell->slept_ns += slept_ns;
	spell->sleeps++;
	if (spell->slept_ns < THROTTLE_TOLD_NS || now - spell->told_ns < THROTTLE_TOLD_NS)
		return 0;
	submit_spell(ctx, spell, task_memcg(bpf_get_current_task()));
	spell->told_ns = now;
	return 0;
}
