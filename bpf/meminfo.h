/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mm/show_mem.c prints of the machine's memory: the global counters, the nodes, their zones. */
#ifndef OOMTRACE_MEMINFO_H
#define OOMTRACE_MEMINFO_H

#include "common.h"
#include "memcg.h"

/* Nodes beyond these are not looked for (a mask of nodes has at least so many bits); tail calls allow fewer. */
#define MAX_NODES 64

/* Without CONFIG_NUMA the one node is a variable. */
static inline u64 node_address(u32 node)
{
	if (HAVE_KSYM(node_data))
		return PEEK(u64, KSYM(node_data) + 8 * node);
	return HAVE_KSYM(contig_page_data) && !node ? KSYM(contig_page_data) : 0;
}

/* enum node_states: the nodes that are online (or have memory), a bit for each. */
static inline u64 nodes_in(u64 state)
{
	if (!HAVE_KSYM(node_data) || !HAVE_KSYM(node_states))
		return 1;
	return PEEK(u64, KSYM(node_states) + state * SIZE(task_struct, mems_allowed));
}

static inline void fill_swap(struct rec_memory *to)
{
	to->free_swap = to->total_swap = NOT_TRACKED;
	if (HAVE_KSYM(total_swap_pages) && HAVE_KSYM(nr_swap_pages)) {
		to->free_swap = PEEK(s64, KSYM(nr_swap_pages));
		to->total_swap = PEEK(u64, KSYM(total_swap_pages));
	}
	to->swapcache_info[0] = NOT_TRACKED;
	if (HAVE_KSYM(swap_cache_info))
		bpf_probe_read_kernel(to->swapcache_info, sizeof(to->swapcache_info), (void *)KSYM(swap_cache_info));
	if (HAVE_ENUM(NR_SWAPCACHE))
		to->swapcache = PEEK(s64, KSYM(vm_node_stat) + 8 * ENUM(NR_SWAPCACHE));
	else
		/* Up to 5.11 the kernel adds up its address spaces; this may be off by what racing CPUs have not counted. */
		to->swapcache = to->swapcache_info[0] - to->swapcache_info[1];
}

static inline void fill_memory(struct rec_memory *to)
{
	copy_nodemask(to->mems_allowed, AT(bpf_get_current_task(), task_struct, mems_allowed));
	bpf_probe_read_kernel(to->node_stat, AT_MOST(SIZE(pglist_data, vm_stat), sizeof(to->node_stat)),
			      (void *)KSYM(vm_node_stat));
	bpf_probe_read_kernel(to->zone_stat, AT_MOST(SIZE(zone, vm_stat), sizeof(to->zone_stat)),
			      (void *)KSYM(vm_zone_stat));
	fill_swap(to);
	to->poisoned = NOT_TRACKED;
	if (HAVE_KSYM(num_poisoned_pages))
		to->poisoned = PEEK(s64, KSYM(num_poisoned_pages));
	to->cma = NOT_TRACKED;
	if (HAVE_KSYM(totalcma_pages))
		to->cma = PEEK(u64, KSYM(totalcma_pages));
}

/* hugetlb_show_meminfo_node (mm/hugetlb.c) */
static inline void fill_hugepages(struct rec_node *to, u32 node)
{
	u64 h;
	u32 i;

	to->hstates = 0;
	if (!HAVE_KSYM(hstates) || !HAVE_KSYM(hugetlb_max_hstate))
		return;
	h = KSYM(hstates);
	to->hstates = PEEK(u32, KSYM(hugetlb_max_hstate));
#pragma nounroll
	for (i = 0; i < MAX_HSTATES; i++) {
		to->hugepages[i].order = GET(h, hstate, order);
		to->hugepages[i].total = PEEK(u32, AT(h, hstate, nr_huge_pages_node) + 4 * node);
		to->hugepages[i].free = PEEK(u32, AT(h, hstate, free_huge_pages_node) + 4 * node);
		to->hugepages[i].surp = PEEK(u32, AT(h, hstate, surplus_huge_pages_node) + 4 * node);
		h += SIZEOF(hstate);
	}
}

static inline void fill_node(struct rec_node *to, u32 node, u64 pgdat)
{
	to->node = node;
	to->has_memory = nodes_in(ENUM(N_MEMORY)) >> (node & 63) & 1;
	to->kswapd_failures = GET(pgdat, pglist_data, kswapd_failures);
	COPY(to->stat, pgdat, pglist_data, vm_stat);
	fill_hugepages(to, node);
}

/* The number of pages in a CPU's list, with the CPU's offset to be added. */
static inline u64 pcp_at(u64 zone)
{
	if (HAVE(zone, per_cpu_pageset))
		return GET(zone, zone, per_cpu_pageset) + OFF(per_cpu_pages, count);
	/* up to 5.13 */
	return GET(zone, zone, pageset) + OFF(per_cpu_pageset, pcp) + OFF(per_cpu_pages, count);
}

/*
 * The pages in the CPUs' lists: those of all online CPUs, and those of this one. No branches, here and for the free
 * lists: each of them would double what the verifier has to look at.
 */
static inline void fill_pcp(struct rec_zone *to, u64 zone)
{
	u64 at = pcp_at(zone), online;
	s64 pages = 0;
	u32 cpu;

	to->free_pcp = to->local_pcp = NOT_TRACKED;
	if (!HAVE_KSYM(__cpu_online_mask) || !HAVE_KSYM(__per_cpu_offset))
		return;
#pragma nounroll
	for (cpu = 0; cpu < NR_CPUS; cpu++) {
		online = PEEK(u64, KSYM(__cpu_online_mask) + 8 * (cpu / 64)) >> (cpu & 63) & 1;
		pages += online * PEEK(s32, at + PEEK(u64, KSYM(__per_cpu_offset) + 8 * cpu));
	}
	to->free_pcp = pages;
	cpu = bpf_get_smp_processor_id();
	to->local_pcp = PEEK(s32, at + PEEK(u64, KSYM(__per_cpu_offset) + 8 * cpu));
}

static inline void fill_zone(struct rec_zone *to, u64 zone)
{
	bpf_probe_read_kernel(to->watermark, sizeof(to->watermark), (void *)AT(zone, zone, _watermark));
	to->boost = GET(zone, zone, watermark_boost);
	to->reserved_highatomic = GET(zone, zone, nr_reserved_highatomic);
	to->free_highatomic = HAVE(zone, nr_free_highatomic) ? GET(zone, zone, nr_free_highatomic) : NOT_TRACKED;
	to->reserves = LENGTH(zone, lowmem_reserve);
	COPY(to->lowmem_reserve, zone, zone, lowmem_reserve);
	to->present = GET(zone, zone, present_pages);
	to->managed = GET(zone, zone, managed_pages);
	COPY(to->stat, zone, zone, vm_stat);
	to->name[0] = 0;
	bpf_probe_read_kernel_str(to->name, sizeof(to->name), (void *)GET(zone, zone, name));
	fill_pcp(to, zone);
	to->free_area = AT(zone, zone, free_area);
	COPY(to->areas, zone, zone, free_area);
}

#endif
