/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mm/show_mem.c prints of the machine's memory: the global counters, the nodes, their zones. */
#ifndef OOMTRACE_MEMINFO_H
#define OOMTRACE_MEMINFO_H

#include "common.h"
#include "memcg.h"

/* Nodes beyond these are not looked for (a mask of nodes has at least so many bits); tail calls allow fewer. */
#define MAX_NODES 64

#ifdef HAVE_KSYM_node_data
static inline u64 node_address(u32 node)
{
	return PEEK(u64, KSYM(node_data) + 8 * node);
}

/* enum node_states: the nodes that are online (or have memory), a bit for each. */
static inline u64 nodes_in(u32 state)
{
	return PEEK(u64, KSYM(node_states) + state * sizeof(TYPE_task_struct__mems_allowed));
}
#else
/* without CONFIG_NUMA: the one node is a variable */
static inline u64 node_address(u32 node)
{
	return node ? 0 : KSYM(contig_page_data);
}

static inline u64 nodes_in(u32 state)
{
	return 1;
}
#endif

static inline void fill_swap(struct rec_memory *to)
{
#ifdef HAVE_KSYM_total_swap_pages
	to->free_swap = PEEK(s64, KSYM(nr_swap_pages));
	to->total_swap = PEEK(u64, KSYM(total_swap_pages));
#else
	to->free_swap = to->total_swap = NOT_TRACKED;
#endif
#ifdef HAVE_KSYM_swap_cache_info
	bpf_probe_read_kernel(to->swapcache_info, sizeof(to->swapcache_info), (void *)KSYM(swap_cache_info));
#else
	to->swapcache_info[0] = NOT_TRACKED;
#endif
#ifdef HAVE_ENUM_NR_SWAPCACHE
	to->swapcache = PEEK(s64, KSYM(vm_node_stat) + 8 * ENUM(NR_SWAPCACHE));
#else
	/* Up to 5.11 the kernel adds up its address spaces; this may be off by what racing CPUs have not counted. */
	to->swapcache = to->swapcache_info[0] - to->swapcache_info[1];
#endif
}

static inline void fill_memory(struct rec_memory *to)
{
	copy_nodemask(to->mems_allowed, AT(bpf_get_current_task(), task_struct, mems_allowed));
	bpf_probe_read_kernel(to->node_stat, AT_MOST(sizeof(TYPE_pglist_data__vm_stat), sizeof(to->node_stat)),
			      (void *)KSYM(vm_node_stat));
	bpf_probe_read_kernel(to->zone_stat, AT_MOST(sizeof(TYPE_zone__vm_stat), sizeof(to->zone_stat)),
			      (void *)KSYM(vm_zone_stat));
	fill_swap(to);
#ifdef HAVE_KSYM_num_poisoned_pages
	to->poisoned = PEEK(s64, KSYM(num_poisoned_pages));
#else
	to->poisoned = NOT_TRACKED;
#endif
	to->cma = PEEK(u64, KSYM(totalcma_pages));
}

/* hugetlb_show_meminfo_node (mm/hugetlb.c) */
static inline void fill_hugepages(struct rec_node *to, u32 node)
{
	to->hstates = 0;
#ifdef HAVE_KSYM_hstates
	u64 h = KSYM(hstates);
	u32 i;

	to->hstates = PEEK(u32, KSYM(hugetlb_max_hstate));
#pragma nounroll
	for (i = 0; i < MAX_HSTATES; i++) {
		to->hugepages[i].order = GET(h, hstate, order);
		to->hugepages[i].total = PEEK(u32, AT(h, hstate, nr_huge_pages_node) + 4 * node);
		to->hugepages[i].free = PEEK(u32, AT(h, hstate, free_huge_pages_node) + 4 * node);
		to->hugepages[i].surp = PEEK(u32, AT(h, hstate, surplus_huge_pages_node) + 4 * node);
		h += SIZEOF_hstate;
	}
#endif
}

static inline void fill_node(struct rec_node *to, u32 node, u64 pgdat)
{
	to->node = node;
	to->has_memory = nodes_in(ENUM(N_MEMORY)) >> (node & 63) & 1;
	to->kswapd_failures = GET(pgdat, pglist_data, kswapd_failures);
	bpf_probe_read_kernel(to->stat, AT_MOST(sizeof(TYPE_pglist_data__vm_stat), sizeof(to->stat)),
			      (void *)AT(pgdat, pglist_data, vm_stat));
	fill_hugepages(to, node);
}

#ifdef HAVE_zone__per_cpu_pageset
#define PCP_AT(zone) (GET(zone, zone, per_cpu_pageset) + OFF_per_cpu_pages__count)
#else
/* up to 5.13 */
#define PCP_AT(zone) (GET(zone, zone, pageset) + OFF_per_cpu_pageset__pcp + OFF_per_cpu_pages__count)
#endif

/*
 * The pages in the CPUs' lists: those of all online CPUs, and those of this one. No branches, here and for the free
 * lists: each of them would double what the verifier has to look at.
 */
static inline void fill_pcp(struct rec_zone *to, u64 zone)
{
	u64 at = PCP_AT(zone), online;
	s64 pages = 0;
	u32 cpu;

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
#ifdef HAVE_zone__nr_free_highatomic
	to->free_highatomic = GET(zone, zone, nr_free_highatomic);
#else
	to->free_highatomic = NOT_TRACKED;
#endif
	to->reserves = sizeof(TYPE_zone__lowmem_reserve) / 8;
	bpf_probe_read_kernel(to->lowmem_reserve,
			      AT_MOST(sizeof(TYPE_zone__lowmem_reserve), sizeof(to->lowmem_reserve)),
			      (void *)AT(zone, zone, lowmem_reserve));
	to->present = GET(zone, zone, present_pages);
	to->managed = GET(zone, zone, managed_pages);
	bpf_probe_read_kernel(to->stat, AT_MOST(sizeof(TYPE_zone__vm_stat), sizeof(to->stat)),
			      (void *)AT(zone, zone, vm_stat));
	to->name[0] = 0;
	bpf_probe_read_kernel_str(to->name, sizeof(to->name), (void *)GET(zone, zone, name));
	fill_pcp(to, zone);
	to->free_area = AT(zone, zone, free_area);
	bpf_probe_read_kernel(to->areas, AT_MOST(sizeof(TYPE_zone__free_area), AREAS_BYTES), (void *)to->free_area);
}

#endif
