/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Charges as they are made. One of these is attached, as --charges says. */
#include "charge.h"

/*
 * page_counter_try_charge(counter, nr_pages, fail): once for a batch of 64 pages, most of which stay in stock for the
 * next charges. It fails, and nothing is charged, where a counter up to the root has no room.
 */
int charge_batch(struct pt_regs *ctx)
{
	u64 counter = PT_REGS_PARM1(ctx), nr_pages = PT_REGS_PARM2(ctx), at = counter;
	int i;

#pragma nounroll
	for (i = 0; i < COUNTER_DEPTH; i++) {
		if (!at)
			break;
		if (GET(at, page_counter, usage) + nr_pages > GET(at, page_counter, max))
			return 0;
		at = GET(at, page_counter, parent);
	}
	count_charge(counter, nr_pages);
	return 0;
}

/* try_charge (up to 5.12) or try_charge_memcg (memcg, gfp_mask, nr_pages): every charge, tenfold as often. */
int charge_every(struct pt_regs *ctx)
{
	count_charge(AT(PT_REGS_PARM1(ctx), mem_cgroup, memory), (u32)PT_REGS_PARM3(ctx));
	return 0;
}
