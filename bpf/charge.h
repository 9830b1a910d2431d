/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages charged per memcg and process in the last seconds: who fills it, which need not be who asks last. */
#ifndef OOMTRACE_CHARGE_H
#define OOMTRACE_CHARGE_H

#include "common.h"

/* Slots of 2^30 ns: a shift in place of a division. */
#define SLOT_SHIFT 30
#define SLOTS CHARGE_SLOTS
#define COUNTER_DEPTH 8

struct charger {
	u64 counter; /* the page_counter of the memcg that the process is in */
	u64 tgid;
};

struct charges {
	u64 slot[SLOTS]; /* which of all slots since boot this is */
	u64 pages[SLOTS];
	u64 pid; /* of the thread that charged last */
	/* For --stacks alone: pages of which samples are to be taken. */
	u64 unsampled; /* since the last sample */
	u64 next;      /* when there are so many, the next one is taken */
	u64 sampled;   /* that samples stand for */
	u64 look_at;   /* when there are so many, the process is looked at */
	u64 scope;     /* enum sample_scope */
};
BPF_TABLE("lru_hash", struct charger, struct charges, charged, 8192);

/* Threads of a process that charge at the same instant may lose each other's pages: a count, not an account. */
static inline struct charges *count_charge(struct charger key, u32 pid, u64 nr_pages, u64 slot)
{
	struct charges *found = charged.lookup(&key);
	u32 at = slot & (SLOTS - 1);

	if (!found) {
		struct charges fresh = {};

		charged.update(&key, &fresh);
		found = charged.lookup(&key);
		if (!found)
			return 0;
	}
	if (found->slot[at] != slot) {
		found->slot[at] = slot;
		found->pages[at] = 0;
	}
	found->pages[at] += nr_pages;
	found->pid = pid;
	return found;
}

/*
 * In front of that: what the same process charges to the same memcg on a CPU is added up, as the hash costs more than
 * all the rest. By CPU in a plain array, so that an OOM can collect from all. A probe that runs at every charge does not
 * ask for the time: so many pages, and they count as charged now.
 */
#define PENDING_PAGES 64
#define ANY_SLOT 0
#define MAX_PENDING 256

struct pending {
	struct charger by;
	u64 pid;
	u64 pages;
	u64 slot; /* ANY_SLOT: that in which they are counted */
};
BPF_ARRAY(pendings, struct pending, MAX_PENDING);

static inline void count_pending(struct pending *of)
{
	count_charge(of->by, of->pid, of->pages, of->slot ? of->slot : bpf_ktime_get_ns() >> SLOT_SHIFT);
}

/* Returns 0 on a CPU beyond MAX_PENDING: then the charge is to be counted at once. */
static inline u32 add_pending(struct charger by, u32 pid, u64 nr_pages, u64 slot)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct pending *found = pendings.lookup(&cpu);
	u32 other;

	if (!found)
		return 0;
	other = found->by.counter != by.counter || found->by.tgid != by.tgid || found->slot != slot;
	if (other || (!slot && found->pages >= PENDING_PAGES)) {
		if (found->pages)
			count_pending(found);
		found->by = by;
		found->pages = 0;
		found->slot = slot;
	}
	found->pid = pid;
	found->pages += nr_pages;
	return 1;
}

static inline void collect_pending(void)
{
	int i;

#pragma nounroll
	for (i = 0; i < MAX_PENDING && i < NR_CPUS; i++) {
		u32 cpu = i; /* a copy: the verifier loses track of what a helper may have written */
		struct pending *found = pendings.lookup(&cpu);

		if (!found || !found->pages)
			continue;
		count_pending(found);
		found->pages = 0;
	}
}

/* Which thread of a task's process charged last; 0: not known. */
static inline u32 last_charger(struct task_row *row)
{
	struct charger key = {.counter = AT(row->memcg, mem_cgroup, memory), .tgid = row->tgid};
	struct charges *found = charged.lookup(&key);

	return found ? found->pid : 0;
}

/* What a task has charged, if it has. */
static inline void submit_charged(struct pt_regs *ctx, struct oom_state *oom, struct task_row *row)
{
	u64 slot = bpf_ktime_get_ns() >> SLOT_SHIFT;
	struct charger key = {.counter = AT(row->memcg, mem_cgroup, memory), .tgid = row->tgid};
	struct charges *found = charged.lookup(&key);
	struct rec_charged record = {};
	int i;

	if (!found)
		return;
#pragma unroll
	for (i = 0; i < SLOTS; i++) {
		u32 at = (slot + 1 + i) & (SLOTS - 1); /* the oldest first */

		if (found->slot[at] + SLOTS > slot)
			record.slot_pages[i] = found->pages[at];
		record.pages += record.slot_pages[i];
	}
	if (!record.pages)
		return;
	record.memcg = row->memcg;
	record.since_ns = (slot - SLOTS + 1) << SLOT_SHIFT;
	record.tgid = row->tgid;
	record.pid = found->pid;
	__builtin_memcpy(record.comm, row->comm, COMM_LEN);
	stamp(&record.header, oom, REC_CHARGED);
	records.perf_submit(ctx, &record, sizeof(record));
}

#endif
