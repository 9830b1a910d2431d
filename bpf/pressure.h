/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How short of memory a cgroup and the machine are: usage against limits, and pressure stall information. */
#ifndef OOMTRACE_PRESSURE_H
#define OOMTRACE_PRESSURE_H

#include "common.h"
#include "memcg.h"
#include "task.h"

#define PSI_PERCENT 2048 /* FIXED_1, include/linux/sched/loadavg.h: the averages have 11 bits after the point */

/* The averages of one state of a struct psi_group: unsigned long avg[NR_PSI_STATES - 1][3]. */
static inline u64 psi_avg10(u64 group, u64 state)
{
	return PEEK(u64, AT(group, psi_group, avg) + 24 * state);
}

/* 0 where the kernel does not measure: then it has not even seen a task wait for a CPU. */
static inline int psi_measures(u64 group)
{
	return PEEK(u64, AT(group, psi_group, total) + 8 * ENUM(PSI_CPU_SOME)) != 0;
}

static inline void fill_pressure(struct pressure *to, u64 group)
{
	if (!group || !psi_measures(group)) {
		__builtin_memset(to, 0xff, sizeof(*to));
		return;
	}
	bpf_probe_read_kernel(to->some, sizeof(to->some), (void *)(AT(group, psi_group, avg) + 24 * ENUM(PSI_MEM_SOME)));
	bpf_probe_read_kernel(to->full, sizeof(to->full), (void *)(AT(group, psi_group, avg) + 24 * ENUM(PSI_MEM_FULL)));
}

/* The machine's psi_group, 0 without CONFIG_PSI. */
static inline u64 machine_psi(void)
{
	return HAVE_KSYM(psi_system) && HAVE(psi_group, avg) ? KSYM(psi_system) : 0;
}

/* A cgroup's: embedded, or pointed to (5.20+, 5f69a6577bc3); cgroup v1 has none. */
static inline u64 memcg_psi(u64 memcg)
{
	u64 cgroup = GET(AT(memcg, mem_cgroup, css), cgroup_subsys_state, cgroup);

	if (!HAVE(cgroup, psi) || !HAVE(psi_group, avg) || !on_v2(cgroup))
		return 0;
	return SIZE(cgroup, psi) == 8 ? GET(cgroup, cgroup, psi) : AT(cgroup, cgroup, psi);
}

static inline s64 machine_node_stat(u64 item)
{
	return positive(PEEK(s64, KSYM(vm_node_stat) + 8 * item));
}

#define NEAR_TENTHS 9	     /* of a limit */
#define PRESSURE_PERCENT 10  /* of the last ten seconds, in which some task waited for memory */
#define AVAILABLE_TENTHS 1   /* of the machine's memory, that is free or holds files */
#define NEAR_LEVELS 8

static inline int group_stalls(u64 group)
{
	return group && psi_measures(group) && psi_avg10(group, ENUM(PSI_MEM_SOME)) >= PRESSURE_PERCENT * PSI_PERCENT;
}

/* Is a limit up to the root nine tenths full, or does the memcg wait for memory? */
static inline int memcg_is_short(u64 memcg)
{
	u64 at = AT(memcg, mem_cgroup, memory);
	int i;

#pragma nounroll
	for (i = 0; i < NEAR_LEVELS && at; i++) {
		u64 max = GET(at, page_counter, max), high = GET(at, page_counter, high);
		u64 limit = high < max ? high : max;

		if (GET(at, page_counter, usage) * 10 >= limit * NEAR_TENTHS)
			return 1;
		at = GET(at, page_counter, parent);
	}
	return group_stalls(memcg_psi(memcg));
}

static inline int machine_is_short(void)
{
	s64 ram = PEEK(s64, KSYM(_totalram_pages)), available;

	available = PEEK(s64, KSYM(vm_zone_stat) + 8 * ENUM(NR_FREE_PAGES)) + machine_node_stat(ENUM(NR_ACTIVE_FILE)) +
		    machine_node_stat(ENUM(NR_INACTIVE_FILE));
	return available * 10 < ram * AVAILABLE_TENTHS || group_stalls(machine_psi());
}

#endif
