/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reclaim on the way to an OOM, and charges that fail after it without one. */
#include "effort.h"
#include "near.h"

/* Flags of include/linux/gfp_types.h: macros up to 6.9 (these values since 4.13), then also enumerators. */
#define MAY_FAIL (HAVE_ENUM(___GFP_RETRY_MAYFAIL_BIT) ? 1u << ENUM(___GFP_RETRY_MAYFAIL_BIT) : 0x4000u)
#define NEVER_FAILS (HAVE_ENUM(___GFP_NOFAIL_BIT) ? 1u << ENUM(___GFP_NOFAIL_BIT) : 0x8000u)
#define NO_RETRY (HAVE_ENUM(___GFP_NORETRY_BIT) ? 1u << ENUM(___GFP_NORETRY_BIT) : 0x10000u)
#define MOVABLE (HAVE_ENUM(___GFP_MOVABLE_BIT) ? 1u << ENUM(___GFP_MOVABLE_BIT) : 0x8u)
#define MAX_RECLAIM_RETRIES 16 /* mm/internal.h */
#define COSTLY_PAGES 8	       /* PAGE_ALLOC_COSTLY_ORDER, include/linux/mmzone.h */

/*
 * Whether try_charge gives up after such attempts with -ENOMEM, not with an OOM. A page of a process or of the page
 * cache does not count: it is charged so where the kernel can do without (a huge page, readahead), and nobody is told.
 */
static inline int gives_up(struct effort *effort)
{
	if (effort->gfp_mask & (NEVER_FAILS | MOVABLE))
		return 0;
	if (effort->gfp_mask & NO_RETRY)
		return effort->attempts >= 2; /* one before the stocks are drained, one after it */
	if (effort->gfp_mask & MAY_FAIL || effort->nr_pages > COSTLY_PAGES)
		return effort->fruitless > MAX_RECLAIM_RETRIES;
	return 0;
}

static inline u64 counter_margin(u64 counter)
{
	u64 usage = GET(counter, page_counter, usage), max = GET(counter, page_counter, max);

	return usage < max ? max - usage : 0;
}

/* mem_cgroup_margin: on cgroup v1 memory and swap together have a limit, too. */
static inline u64 memcg_margin(u64 memcg)
{
	u64 cgroup = GET(AT(memcg, mem_cgroup, css), cgroup_subsys_state, cgroup);
	u64 margin = counter_margin(AT(memcg, mem_cgroup, memory)), memsw;

	if (on_v2(cgroup))
		return margin;
	memsw = counter_margin(AT(memcg, mem_cgroup, memsw));
	return memsw < margin ? memsw : margin;
}

/* try_to_free_mem_cgroup_pages(memcg, nr_pages, gfp_mask, …): as many pages as are to be charged. */
int reclaim_memcg(struct pt_regs *ctx)
{
	struct effort *effort = another_attempt(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));

	if (!effort)
		return 0;
	effort->fruitless += effort->attempts > 1;
	if (gives_up(effort)) /* unless this attempt makes room */
		copy_frames(ctx, effort->frames, sizeof(effort->frames));
	return 0;
}

/* Failed charges to a memcg: one a second is reported, the others are counted. */
struct failures {
	u64 last_ns;
	u64 suppressed;
};
BPF_TABLE("lru_hash", u64, struct failures, failures, 1024); /* by serial_nr: an address is soon another memcg's */
#define FAILURE_EVERY_NS 1000000000ULL
BPF_ARRAY(failed_charges, u64, 1); /* all of them, for the end of the trace */

static inline int may_report(struct effort *effort)
{
	u64 nr = GET(AT(effort->memcg, mem_cgroup, css), cgroup_subsys_state, serial_nr), now = bpf_ktime_get_ns();
	struct failures fresh = {.last_ns = now}, *before = failures.lookup(&nr);
	u32 zero = 0;
	u64 *count = failed_charges.lookup(&zero);

	if (count)
		lock_xadd(count, 1);
	if (!before) {
		failures.update(&nr, &fresh);
		return 1;
	}
	if (now - before->last_ns < FAILURE_EVERY_NS) {
		before->suppressed++;
		return 0;
	}
	effort->suppressed = before->suppressed;
	before->last_ns = now;
	before->suppressed = 0;
	return 1;
}

static inline u32 order_of(u64 nr_pages)
{
	u32 order = 0;

#pragma unroll
	for (int i = 1; i < 12; i++)
		order += nr_pages >> i != 0;
	return order;
}

/* … returns what it has reclaimed. Then try_charge looks, as this does, whether there is room now. */
int reclaim_memcg_return(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct effort *effort = efforts.lookup(&tid);

	if (!effort || !effort->memcg)
		return 0;
	effort->last_ns = bpf_ktime_get_ns();
	if (effort->fruitless && PT_REGS_RC(ctx) && effort->nr_pages <= COSTLY_PAGES)
		effort->fruitless--; /* some progress: tried again without counting */
	if (memcg_margin(effort->memcg) >= effort->nr_pages || (gives_up(effort) && !may_report(effort)))
		efforts.delete(&tid);
	else if (gives_up(effort))
		begin(ctx, REC_FAILED, 0, effort->memcg, effort->gfp_mask, order_of(effort->nr_pages), 0);
	return 0;
}

/* try_to_free_pages(zonelist, order, gfp_mask, nodemask): direct reclaim for the whole machine. */
int reclaim_global(struct pt_regs *ctx)
{
	another_attempt(0, 1ULL << PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
	if (note_reclaim(bpf_ktime_get_ns()))
		parts.call(ctx, SEND_NEAR);
	return 0;
}

/* What vmpressure_prio tells of a hard case, at each of the last priorities, without a page scanned: vmpressure_win. */
#define ALARM_PAGES 512

/* vmpressure(gfp, [7.x: order,] memcg, tree, scanned, reclaimed), after each pass over a memcg or over all of them. */
int vmpressure(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct effort *effort = efforts.lookup(&tid);
	u64 tree = PT_REGS_PARM3(ctx), scanned = PT_REGS_PARM4(ctx), reclaimed = PT_REGS_PARM5(ctx);

	if (FEATURE(VMPRESSURE_ORDER)) {
		tree = PT_REGS_PARM4(ctx);
		scanned = PT_REGS_PARM5(ctx);
		reclaimed = PT_REGS_PARM6(ctx);
	}
	tree &= 1;
	if (!effort || (tree && scanned == ALARM_PAGES && !reclaimed))
		return 0;
	effort->scanned[tree] += scanned;
	effort->reclaimed[tree] += reclaimed;
	return 0;
}
