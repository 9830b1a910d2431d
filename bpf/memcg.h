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
	if (HAVE(mem_cgroup, kmem))
		fill_counter(&to->kmem, AT(memcg, mem_cgroup, kmem));
	else
		to->kmem.usage = to->kmem.max = to->kmem.failcnt = NOT_TRACKED;
	to->min = GET(memory, page_counter, min);
	to->low = GET(memory, page_counter, low);
	to->high = GET(memory, page_counter, high);
	to->children_min_usage = GET(memory, page_counter, children_min_usage);
	to->children_low_usage = GET(memory, page_counter, children_low_usage);
	to->events_max = PEEK(u64, AT(memcg, mem_cgroup, memory_events) + 8 * ENUM(MEMCG_MAX));
	to->events_swap_max = PEEK(u64, AT(memcg, mem_cgroup, memory_events) + 8 * ENUM(MEMCG_SWAP_MAX));
	to->oom_group = HAVE(mem_cgroup, oom_group) ? GET(memcg, mem_cgroup, oom_group) : -1;
}

/* On the hierarchy of cgroup v2: the first one that the kernel makes, of number 0 in /proc/PID/cgroup. */
static inline int on_v2(u64 cgroup)
{
	return !GET(GET(cgroup, cgroup, root), cgroup_root, hierarchy_id);
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
	s->memcg.on_dfl = on_v2(cgroup);
	fill_counters(&s->memcg, memcg);
	s->memcg.name[0] = 0;
	bpf_probe_read_kernel_str(s->memcg.name, NAME_LEN, (void *)GET(kn, kernfs_node, name));
	stamp(&s->memcg.header, oom, oom->kind);
	records.perf_submit(ctx, &s->memcg, sizeof(s->memcg));
}

/*
 * Where the memcg's statistics lie: how many words the states and the events have. Three eras: atomic counters in the
 * memcg itself, nothing to flush (up to 5.12); the flushed values in the memcg (up to 6.0); the same in a struct that is
 * pointed to, and private to mm/memcontrol.c.
 */
struct statistics {
	u64 state, state_bytes;
	u64 events, events_bytes;
};

/*
 * How many states are kept. 6.10+: the table has a slot for each kept item, one more than that up to 6.11; the first item
 * has the first slot.
 */
static inline u32 kept_states(struct rec_stats *stats)
{
	u32 last = 0;
	int i;

	if (!HAVE_KSYM(mem_cgroup_stats_index))
		return ENUM(MEMCG_NR_STAT);
#pragma nounroll
	for (i = 0; i < INDEX_BYTES && i < ENUM(MEMCG_NR_STAT); i++)
		if (stats->state_index[i] != 255 && stats->state_index[i] > last)
			last = stats->state_index[i];
	return last + 1 - stats->state_index[0];
}

static inline struct statistics get_statistics(struct rec_stats *stats, u64 memcg)
{
	struct statistics at = {};
	u64 vmstats;

	if (!HAVE(memcg_vmstats, state)) {
		at.state = AT(memcg, mem_cgroup, vmstats);
		at.state_bytes = SIZE(mem_cgroup, vmstats);
		at.events = AT(memcg, mem_cgroup, vmevents);
		at.events_bytes = SIZE(mem_cgroup, vmevents);
		return at;
	}
	vmstats = FEATURE(EMBEDDED_VMSTATS) ? AT(memcg, mem_cgroup, vmstats) : GET(memcg, mem_cgroup, vmstats);
	at.state = AT(vmstats, memcg_vmstats, state);
	at.state_bytes = SIZE(memcg_vmstats, state);
	if (HAVE(memcg_vmstats, events)) {
		at.events = AT(vmstats, memcg_vmstats, events);
		at.events_bytes = SIZE(memcg_vmstats, events);
	} else {
		/*
		 * Types from headers, which lack this struct: its beginning alone is known (oomtrace/kernel/headers.py),
		 * the states that are kept, then the events. Their number is not, but there are as many words at least:
		 * arrays of both kinds follow for local and for pending counts.
		 */
		at.events = at.state + 8 * kept_states(stats);
		at.events_bytes = at.state_bytes;
	}
	return at;
}

/*
 * Where a kernel lists functions alone (CONFIG_KALLSYMS_ALL=n) the tables of slots are not found. That there are some
 * shows in the arrays: they are shorter than all that could be counted.
 */
static inline int state_table_is_hidden(void)
{
	if (HAVE_KSYM(mem_cgroup_stats_index) || !HAVE(memcg_vmstats, state))
		return 0;
	return LENGTH(memcg_vmstats, state) < ENUM(MEMCG_NR_STAT);
}

static inline int events_table_is_hidden(void)
{
	if (HAVE_KSYM(mem_cgroup_events_index) || !HAVE(memcg_vmstats, events))
		return 0;
	return LENGTH(memcg_vmstats, events) < ENUM(NR_VM_EVENT_ITEMS);
}

static inline void submit_stats(struct pt_regs *ctx, struct oom_state *oom, u64 memcg)
{
	union scratch *s = get_scratch();
	struct statistics at;

	if (!s)
		return;
	s->stats.memcg = memcg;
	/* Which slot holds which item: no table (5.10), events only (6.1: int), both (6.12: u8). */
	s->stats.state_index_width = state_table_is_hidden() ? NOT_SHOWN : 0;
	s->stats.events_index_width = events_table_is_hidden() ? NOT_SHOWN : 0;
	if (HAVE_KSYM(mem_cgroup_stats_index)) {
		s->stats.state_index_width = KSYM_SIZE(mem_cgroup_stats_index) / ENUM(MEMCG_NR_STAT);
		bpf_probe_read_kernel(s->stats.state_index, INDEX_BYTES, (void *)KSYM(mem_cgroup_stats_index));
	}
	if (HAVE_KSYM(mem_cgroup_events_index)) {
		s->stats.events_index_width = KSYM_SIZE(mem_cgroup_events_index) / ENUM(NR_VM_EVENT_ITEMS);
		bpf_probe_read_kernel(s->stats.events_index, INDEX_BYTES, (void *)KSYM(mem_cgroup_events_index));
	}
	at = get_statistics(&s->stats, memcg);
	at.state_bytes = AT_MOST(at.state_bytes, sizeof(s->stats.state));
	at.events_bytes = AT_MOST(at.events_bytes, sizeof(s->stats.events));
	s->stats.state_len = at.state_bytes / 8;
	s->stats.events_len = at.events_bytes / 8;
	bpf_probe_read_kernel(s->stats.state, at.state_bytes, (void *)at.state);
	bpf_probe_read_kernel(s->stats.events, at.events_bytes, (void *)at.events);
	stamp(&s->stats.header, oom, REC_STATS);
	records.perf_submit(ctx, &s->stats, sizeof(s->stats));
}

/*
 * The statistics as the kernel has formatted them, where its tables are not found: printk("%s", text) up to 6.4, then
 * printk("%s%.*s", level, length, line), whose first line is followed by all others.
 */
static inline void submit_stats_text(struct pt_regs *ctx, struct oom_state *oom, u64 memcg)
{
	union scratch *s = get_scratch();
	u64 text = PEEK(u8, PT_REGS_PARM1(ctx)) == 1 ? PT_REGS_PARM2(ctx) : PT_REGS_PARM4(ctx);

	if (!s)
		return;
	s->stats_text.memcg = memcg;
	s->stats_text.text[0] = 0;
	bpf_probe_read_kernel_str(s->stats_text.text, STATS_TEXT_LEN, (void *)text);
	stamp(&s->stats_text.header, oom, REC_STATS_TEXT);
	records.perf_submit(ctx, &s->stats_text, sizeof(s->stats_text));
}

#endif
