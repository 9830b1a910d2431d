/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mm/oom_kill.c reads of a task: dump_task, oom_badness and the Killed line all take it from here. */
#ifndef OOMTRACE_TASK_H
#define OOMTRACE_TASK_H

#include "common.h"

static inline u64 task_memcg(u64 task)
{
	u64 css_set = GET(task, task_struct, cgroups);

	/* mem_cgroup_from_task: the css is the first member of its mem_cgroup in every kernel that has BTF. */
	return PEEK(u64, AT(css_set, css_set, subsys) + 8 * ENUM(memory_cgrp_id));
}

/* find_lock_task_mm: the first thread of the group that still has an mm. */
static inline u64 find_task_mm(u64 task, u64 *mm)
{
	u64 head, node, thread = task;
	int i;

	*mm = GET(task, task_struct, mm);
	if (*mm)
		return task;
	head = AT(GET(task, task_struct, signal), signal_struct, thread_head);
	node = PEEK(u64, head);
#pragma nounroll
	for (i = 0; i < MAX_THREADS; i++) {
		if (!node || node == head)
			break;
		thread = node - OFF(task_struct, thread_node);
		*mm = GET(thread, task_struct, mm);
		if (*mm)
			return thread;
		node = PEEK(u64, node);
	}
	return 0;
}

static inline s64 positive(s64 value)
{
	return value > 0 ? value : 0;
}

/*
 * 6.2+ (f1a7941243c1): struct percpu_counter rss_stat[], before that a word for each. Up to 6.19 get_mm_counter reads
 * .count alone; later the OOM killer sums the CPUs' parts too (get_mm_counter_sum).
 */
static inline s64 mm_counter(u64 mm, u64 member)
{
	u64 counter, percpu;
	s64 value;
	int cpu;

	if (!FEATURE(PERCPU_RSS))
		return positive(PEEK(s64, AT(mm, mm_struct, rss_stat) + 8 * member));
	counter = AT(mm, mm_struct, rss_stat) + member * SIZEOF(percpu_counter);
	value = GET(counter, percpu_counter, count);
	if (FEATURE(SUMMED_RSS)) {
		percpu = GET(counter, percpu_counter, counters);
#pragma nounroll
		for (cpu = 0; cpu < NR_CPUS; cpu++)
			value += PEEK(s32, percpu + PEEK(u64, KSYM(__per_cpu_offset) + 8 * cpu));
	}
	return positive(value);
}

static inline void fill_mm_counters(struct task_row *row, u64 mm)
{
	s64 counts[4] = {}; /* NR_MM_COUNTERS */

	if (FEATURE(PERCPU_RSS)) {
		row->file_pages = mm_counter(mm, ENUM(MM_FILEPAGES));
		row->anon_pages = mm_counter(mm, ENUM(MM_ANONPAGES));
		row->swap_entries = mm_counter(mm, ENUM(MM_SWAPENTS));
		row->shmem_pages = mm_counter(mm, ENUM(MM_SHMEMPAGES));
		return;
	}
	bpf_probe_read_kernel(counts, sizeof(counts), (void *)AT(mm, mm_struct, rss_stat));
	row->file_pages = positive(counts[ENUM(MM_FILEPAGES)]);
	row->anon_pages = positive(counts[ENUM(MM_ANONPAGES)]);
	row->swap_entries = positive(counts[ENUM(MM_SWAPENTS)]);
	row->shmem_pages = positive(counts[ENUM(MM_SHMEMPAGES)]);
}

static inline u32 task_flags(u64 task, u64 mm, u64 signal, u32 tgid)
{
	u64 oom_mm = GET(signal, signal_struct, oom_mm);
	u32 flags = 0;

	if (GET(task, task_struct, flags) & PF_KTHREAD)
		flags |= TASK_KTHREAD;
	if (tgid == 1)
		flags |= TASK_INIT;
	if (oom_mm)
		flags |= TASK_VICTIM;
	if (GET(signal, signal_struct, oom_flag_origin))
		flags |= TASK_ORIGIN;
	if (!mm)
		return flags;
	flags |= TASK_HAS_MM;
	if (PEEK(u64, AT(mm, mm_struct, flags)) >> MMF_OOM_SKIP & 1)
		flags |= TASK_OOM_SKIP;
	if (GET(task, task_struct, vfork_done) && GET(GET(task, task_struct, real_parent), task_struct, mm) == mm)
		flags |= TASK_IN_VFORK;
	return flags;
}

/* Reading costs more than anything else here, and an OOM may weigh and list thousands: nothing is read twice. */
static inline void fill_task(struct task_row *row, u64 asked)
{
	u64 mm = 0, task = find_task_mm(asked, &mm), signal;

	row->group_pid = task && task != asked ? GET(asked, task_struct, pid) : 0;
	if (!task)
		task = asked;
	row->task = task;
	row->mm = mm;
	row->memcg = task_memcg(asked);
	if (OFF(task_struct, tgid) == OFF(task_struct, pid) + 4) {
		bpf_probe_read_kernel(&row->pid, sizeof(row->pid) + sizeof(row->tgid), (void *)AT(task, task_struct, pid));
	} else {
		row->pid = GET(task, task_struct, pid);
		row->tgid = GET(task, task_struct, tgid);
	}
	row->uid = GET(GET(task, task_struct, real_cred), cred, uid);
	signal = GET(task, task_struct, signal);
	row->oom_score_adj = (s16)GET(signal, signal_struct, oom_score_adj);
	row->flags = task_flags(task, mm, signal, row->tgid);
	COPY(row->comm, task, task_struct, comm);
	row->total_vm = 0;
	row->pgtables_bytes = 0;
	row->file_pages = 0;
	row->anon_pages = 0;
	row->swap_entries = 0;
	row->shmem_pages = 0;
	if (!mm)
		return;
	row->total_vm = GET(mm, mm_struct, total_vm);
	row->pgtables_bytes = GET(mm, mm_struct, pgtables_bytes);
	fill_mm_counters(row, mm);
}

#endif
