/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the usage of memcgs with a limit has gone, kept at each batch, and a bell where one nears its limit: the reader then
 * looks at it while all of its processes are alive. At its first batch there is a bell, too: whose memcg it is, a
 * runtime's folders tell for as long as the container lives, which may be less than a second.
 */
#ifndef OOMTRACE_NEAR_H
#define OOMTRACE_NEAR_H

#include "common.h"

#define SECOND_SHIFT 30
#define MINUTE_SHIFT 36
#define BELL_AGAIN_NS 60000000000ULL /* while it stays near */
#define BELL_PAUSE_NS 100000000ULL   /* however often it comes and goes */
#define CALM_NS 10000000000ULL	     /* without direct reclaim: the machine is out of it */
#define FIRST_A_SECOND 64	     /* bells for first batches: with more memcgs than histories, they would not end */

struct history {
	u64 serial_nr; /* of the memcg's css: an address is soon another's. 0: the counter is not one of a memcg's memory */
	u64 rung_ns;
	u32 last; /* the last slot of seconds */
	u32 near; /* above nine tenths, and not yet below eight */
	u32 told; /* the bell for its first batch has been rung */
	u32 unused;
	struct moment seconds[MOMENTS];
	struct moment minutes[MOMENTS];
};
BPF_TABLE("lru_hash", u64, struct history, histories, 2048); /* by page_counter */
BPF_ARRAY(blank_history, struct history, 1); /* too large for the stack */

/* Whether the page_counter is one that a memcg has for its memory: hugetlb has counters, too, and v1 those of memsw. */
static inline u64 serial_of(u64 counter)
{
	u64 css = AT(counter - OFF(mem_cgroup, memory), mem_cgroup, css);

	if (HAVE_KSYM(memory_cgrp_subsys) && GET(css, cgroup_subsys_state, ss) != KSYM(memory_cgrp_subsys))
		return 0;
	return GET(css, cgroup_subsys_state, serial_nr);
}

static inline struct history *fresh_history(u64 counter, u64 serial_nr)
{
	u32 zero = 0;
	struct history *blank = blank_history.lookup(&zero), *found;

	if (!blank)
		return 0;
	histories.update(&counter, blank);
	found = histories.lookup(&counter);
	if (found)
		found->serial_nr = serial_nr;
	return found;
}

/* Another second than that of the last batch; what that one came to goes into its minute. */
static inline void begin_second(struct history *to, u32 second, u32 pages)
{
	struct moment *was = &to->seconds[to->last & (MOMENTS - 1)];
	u32 minute = was->slot >> (MINUTE_SHIFT - SECOND_SHIFT);
	struct moment *of = &to->minutes[minute & (MOMENTS - 1)];

	if (of->slot != minute || of->pages < was->pages)
		of->pages = was->pages;
	of->slot = minute;
	was = &to->seconds[second & (MOMENTS - 1)];
	was->slot = second;
	was->pages = pages;
	to->last = second;
}

/* Puts what SEND_NEAR sends into scratch; returns whether there is somebody to hear it. */
static inline u32 prepare_bell(u64 counter, u64 pages, u64 max, u32 cause)
{
	union scratch *s = get_scratch();

	if (!s)
		return 0;
	s->near.memcg = counter - OFF(mem_cgroup, memory);
	s->near.usage = pages;
	s->near.max = max;
	s->near.cause = cause;
	return !is_set(SETTING_NO_WITNESS);
}

/* Whether the bell is to be rung for a memcg that is near. Several CPUs may come here at once: then all ring. */
static inline u32 rings(struct history *of, u64 counter, u64 pages, u64 max, u64 now)
{
	u64 serial_nr = serial_of(counter);
	u32 cause = of->near ? STAYS_NEAR : NEARS;

	if (of->serial_nr != serial_nr) { /* another memcg's, which ended within this second */
		of->serial_nr = serial_nr;
		cause = NEARS;
	} else if (now - of->rung_ns < (of->near ? BELL_AGAIN_NS : BELL_PAUSE_NS)) {
		return 0;
	}
	if (!serial_nr)
		return 0;
	of->near = 1;
	of->rung_ns = now;
	of->told = 1;
	return prepare_bell(counter, pages, max, cause);
}

struct first_bells {
	u32 second;
	u32 rung; /* in it */
};
BPF_ARRAY(first_bells, struct first_bells, 1);

/* Whether the bell is to be rung for the first batch of a memcg; if there were too many, its turn comes a second later. */
static inline u32 rings_first(struct history *of, u64 counter, u64 pages, u64 max, u32 second)
{
	u32 zero = 0;
	struct first_bells *bells = first_bells.lookup(&zero);

	if (!bells || !of->serial_nr)
		return 0;
	if (bells->second != second) {
		bells->second = second;
		bells->rung = 0;
	}
	if (bells->rung >= FIRST_A_SECOND)
		return 0;
	bells->rung++;
	of->told = 1;
	return prepare_bell(counter, pages, max, FIRST_CHARGED);
}

/* A batch is charged to a counter with a limit, which has so many pages then; returns whether to ring the bell. */
static inline u32 note_usage(u64 counter, u64 pages, u64 max, u64 now)
{
	struct history *found = histories.lookup(&counter);
	u32 second = now >> SECOND_SHIFT, kept = pages;
	struct moment *at;

	if (!found || found->last != second) {
		u64 serial_nr = serial_of(counter);

		if (!found || found->serial_nr != serial_nr)
			found = fresh_history(counter, serial_nr);
		if (!found)
			return 0;
		begin_second(found, second, kept);
	}
	at = &found->seconds[second & (MOMENTS - 1)];
	if (at->pages < kept)
		at->pages = kept;
	if (pages * 10 > max * 9)
		return rings(found, counter, pages, max, now);
	if (found->near && pages * 10 < max * 8)
		found->near = 0;
	return found->told ? 0 : rings_first(found, counter, pages, max, second);
}

/*
 * In front of that, by CPU and level of the hierarchy, since a lookup in the hash costs as much as all the rest: what was
 * noted last. Within a second there is no more to note of the same counter until its usage is higher by a 256th of the
 * limit, or it crosses eight or nine tenths of it.
 */
struct noted {
	u64 counter;
	u64 enough; /* pages */
	u32 second;
	u32 level;
};
BPF_ARRAY(noted, struct noted, MAX_PENDING * COUNTER_DEPTH);

static inline u32 is_noted(u32 depth, u64 counter, u64 pages, u64 max, u64 now)
{
	u32 at = bpf_get_smp_processor_id() * COUNTER_DEPTH + depth, second = now >> SECOND_SHIFT;
	u32 level = (pages * 10 >= max * 8) + (pages * 10 > max * 9);
	struct noted *last = noted.lookup(&at);

	if (!last)
		return 0;
	if (last->counter == counter && last->second == second && last->level == level && pages <= last->enough)
		return 1;
	last->counter = counter;
	last->enough = pages + (max >> 8);
	last->second = second;
	last->level = level;
	return 0;
}

/* The same of the whole machine: its tasks reclaim by themselves, as kswapd does not keep up. */
struct machine_near {
	u64 last_ns;
	u64 rung_ns;
};
BPF_ARRAY(machine_nears, struct machine_near, 1);

/* Whether to ring. */
static inline u32 note_reclaim(u64 now)
{
	u32 zero = 0, calm;
	struct machine_near *machine = machine_nears.lookup(&zero);
	union scratch *s = get_scratch();

	if (!s || !machine)
		return 0;
	calm = now - machine->last_ns > CALM_NS;
	machine->last_ns = now;
	if (!calm && now - machine->rung_ns < BELL_AGAIN_NS)
		return 0;
	machine->rung_ns = now;
	s->near.memcg = s->near.usage = s->near.max = 0;
	s->near.cause = calm ? NEARS : STAYS_NEAR;
	return !is_set(SETTING_NO_WITNESS);
}

/* After its REC_MEMCG, how the usage of a memcg has gone, if it is kept. */
static inline void submit_history(struct pt_regs *ctx, struct oom_state *oom, u64 memcg)
{
	u64 counter = AT(memcg, mem_cgroup, memory);
	struct history *found = histories.lookup(&counter);
	union scratch *s = get_scratch();

	if (!s || !found || !found->serial_nr || found->serial_nr != serial_of(counter))
		return;
	bpf_probe_read_kernel(s->history.seconds, sizeof(found->seconds) + sizeof(found->minutes), found->seconds);
	s->history.memcg = memcg;
	stamp(&s->history.header, oom, REC_HISTORY);
	records.perf_submit(ctx, &s->history, sizeof(s->history));
}

#endif
