/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mm/memcontrol.c prints of a memcg: its counters, its statistics, and its way up to the root. */
#ifndef OOMTRACE_MEMCG_H
#define OOMTRACE_MEMCG_H

#include "common.h"

static inline void fill_counter(struct counter *to, u64 counter)
{
	to->usage = GET(counter, page_counter, usage);
	to->max = GET(counter, page_counter, max);
	to->failcnt = GET(counter, page_counter, failcnt);
}

static inline void fill_counters(struct rec_memcg *to, u64 memcg)
{
	u64 memory = AT(memcg, mem_cgroup, memory);

	fill_counter(&to->memory, memory);
	fill_counter(&to->swap, AT(memcg, mem_cgroup, swap));
	fill_counter(&to->memsw, AT(memcg, mem_cgroup, memsw));
#ifdef HAVE_mem_cgroup__kmem
	fill_counter(&to->kmem, AT(memcg, mem_cgroup, kmem));
#else
	to->kmem.usage = to->kmem.max = to->kmem.failcnt = NOT_TRACKED;
#endif
	to->min = GET(memory, page_counter, min);
	to->low = GET(memory, page_counter, low);
	to->high = GET(memory, page_counter, high);
	to->children_min_usage = GET(memory, page_counter, children_min_usage);
	to->children_low_usage = GET(memory, page_counter, children_low_usage);
	to->events_max = PEEK(u64, AT(memcg, mem_cgroup, memory_events) + 8 * ENUM(MEMCG_MAX));
	to->events_swap_max = PEEK(u64, AT(memcg, mem_cgroup, memory_events) + 8 * ENUM(MEMCG_SWAP_MAX));
#ifdef HAVE_mem_cgroup__oom_group
	to->oom_group = GET(memcg, mem_cgroup, oom_group);
#else
	to->oom_group = -1;
#endif
}

static inline u64 memcg_parent(u64 memcg)
{
	return GET(AT(memcg, mem_cgroup, css), cgroup_subsys_state, parent);
}

static inline void submit_memcg(struct pt_regs *ctx, struct oom_state *oom, u64 memcg)
{
	union scratch *s = get_scratch();
	u64 cgroup, kn;

	if (!s)
		return;
	cgroup = GET(AT(memcg, mem_cgroup, css), cgroup_subsys_state, cgroup);
	kn = GET(cgroup, cgroup, kn);
	s->memcg.memcg = memcg;
	s->memcg.parent = memcg_parent(memcg);
	s->memcg.on_dfl = GET(cgroup, cgroup, root) == KSYM(cgrp_dfl_root);
	fill_counters(&s->memcg, memcg);
	s->memcg.name[0] = 0;
	bpf_probe_read_kernel_str(s->memcg.name, NAME_LEN, (void *)GET(kn, kernfs_node, name));
	stamp(&s->memcg.header, oom, oom->kind);
	records.perf_submit(ctx, &s->memcg, sizeof(s->memcg));
}

#ifdef HAVE_memcg_vmstats__state
/* 5.13+: the flushed values, up to 6.0 in the memcg itself, then pointed to and private to mm/memcontrol.c. */
#ifdef HAVE_EMBEDDED_VMSTATS
#define VMSTATS(memcg) AT(memcg, mem_cgroup, vmstats)
#else
#define VMSTATS(memcg) GET(memcg, mem_cgroup, vmstats)
#endif
#define STATE_AT(memcg) AT(VMSTATS(memcg), memcg_vmstats, state)
#define STATE_BYTES sizeof(TYPE_memcg_vmstats__state)
#ifdef HAVE_memcg_vmstats__events
#define EVENTS_AT(s, memcg) AT(VMSTATS(memcg), memcg_vmstats, events)
#define EVENTS_BYTES sizeof(TYPE_memcg_vmstats__events)
#else
/*
 * Types from headers, which lack this struct: its beginning alone is known (oomtrace/kernel/headers.py), the states
 * that are kept, then the events. Their number is not, but there are as many words at least: arrays of both kinds
 * follow for local and for pending counts.
 */
#define EVENTS_AT(s, memcg) (STATE_AT(memcg) + 8 * kept_states(s))
#define EVENTS_BYTES STATE_BYTES

static inline u32 kept_states(struct rec_stats *stats)
{
#ifdef HAVE_KSYM_mem_cgroup_stats_index
	/* 6.10+: a slot for each kept item, one more than that up to 6.11; the first item has the first slot. */
	u32 last = 0;
	int i;

#pragma nounroll
	for (i = 0; i < ENUM(MEMCG_NR_STAT); i++)
		if (stats->state_index[i] != 255 && stats->state_index[i] > last)
			last = stats->state_index[i];
	return last + 1 - stats->state_index[0];
#else
	return ENUM(MEMCG_NR_STAT);
#endif
}
#endif
#else
/* up to 5.12: atomic counters in the memcg itself, nothing to flush */
#define STATE_AT(memcg) AT(memcg, mem_cgroup, vmstats)
#define EVENTS_AT(s, memcg) AT(memcg, mem_cgroup, vmevents)
#define STATE_BYTES sizeof(TYPE_mem_cgroup__vmstats)
#define EVENTS_BYTES sizeof(TYPE_mem_cgroup__vmevents)
#endif

static inline void submit_stats(struct pt_regs *ctx, struct oom_state *oom, u64 memcg)
{
	union scratch *s = get_scratch();

	if (!s)
		return;
	s->stats.memcg = memcg;
	s->stats.state_len = AT_MOST(STATE_BYTES, sizeof(s->stats.state)) / 8;
	s->stats.events_len = AT_MOST(EVENTS_BYTES, sizeof(s->stats.events)) / 8;
	/* Which slot holds which item: no table (5.10), events only (6.1: int), both (6.12: u8). */
	s->stats.state_index_width = s->stats.events_index_width = 0;
#ifdef HAVE_KSYM_mem_cgroup_stats_index
	s->stats.state_index_width = KSYM_SIZE_mem_cgroup_stats_index / (ENUM(MEMCG_NR_STAT));
	bpf_probe_read_kernel(s->stats.state_index, INDEX_BYTES, (void *)KSYM(mem_cgroup_stats_index));
#endif
#ifdef HAVE_KSYM_mem_cgroup_events_index
	s->stats.events_index_width = KSYM_SIZE_mem_cgroup_events_index / ENUM(NR_VM_EVENT_ITEMS);
	bpf_probe_read_kernel(s->stats.events_index, INDEX_BYTES, (void *)KSYM(mem_cgroup_events_index));
#endif
	bpf_probe_read_kernel(s->stats.state, AT_MOST(STATE_BYTES, sizeof(s->stats.state)), (void *)STATE_AT(memcg));
	bpf_probe_read_kernel(s->stats.events, AT_MOST(EVENTS_BYTES, sizeof(s->stats.events)),
			      (void *)EVENTS_AT(&s->stats, memcg));
	stamp(&s->stats.header, oom, REC_STATS);
	records.perf_submit(ctx, &s->stats, sizeof(s->stats));
}

#endif
