/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report: from dump_header to the summary, each value where the kernel reads it for printing. */
#include "common.h"
#include "stack.h"
#include "task.h"

#define SUPPRESSED_FORMAT 0x6425203a73253401ULL /* KERN_WARNING "%s: %d", little-endian */
#define ROW_FORMAT 0x3525205d6437255bULL    /* "[%7d] %5" */
#define KILLED_FORMAT 0x6c6c694b203a7325ULL /* "%s: Kill" */

/* dump_header(oc[, p]): the rate limit lets this report pass. Also the start of a report without a victim. */
int dump_header(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (!oom)
		return 0;
	oom->stage |= PRINTING | PRINTED;
	submit_report(ctx, oom, GET(oom->oc, oom_control, chosen) ? REC_HEADER : REC_NO_VICTIM);
	return 0;
}

/* show_stack(task, sp, loglvl), from dump_stack; interrupts are off. */
int show_stack(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (!oom || !(oom->stage & PRINTING))
		return 0;
	oom->stage &= ~PRINTING;
	oom->stage |= WALKING;
	parts.call(ctx, SEND_STACK);
	return 0;
}

/*
 * unwind_get_return_address_ptr(state): asked by show_trace_log_lvl for each word that it scans. The same return address
 * can lie on the stack twice (a function keeps its caller's for tracing, as kmalloc does), and one of them is the frame.
 */
int unwind_get_return_address_ptr(struct pt_regs *ctx)
{
	u64 state = PT_REGS_PARM1(ctx), regs, sp;
	struct oom_state *oom = get_oom();
	struct rec_frame record = {};

	if (!HAVE(unwind_state, sp) || !HAVE(unwind_state, regs)) /* no CONFIG_UNWINDER_ORC */
		return 0;
	if (!oom || !(oom->stage & WALKING))
		return 0;
	regs = GET(state, unwind_state, regs);
	sp = GET(state, unwind_state, sp);
	if (regs)
		record.address = regs + 8 * X86_IP;
	else if (sp)
		record.address = sp - 8;
	if (record.address == oom->frame || !record.address)
		return 0;
	oom->frame = record.address;
	stamp(&record.header, oom, REC_FRAME);
	records.perf_submit(ctx, &record, sizeof(record));
	return 0;
}

#define TRACE_FORMAT 0x537025207325ULL /* "%s %pS" */

/*
 * "%s %pSb\n", or from 6.13 on "%s %pSb%s%s%s%s%s\n" (arch/arm64/kernel/stacktrace.c, dump_backtrace_entry): the address
 * that a line of the call trace names, and a letter for each thing that is known of where it is from.
 */
static inline int submit_trace_line(struct pt_regs *ctx, struct oom_state *oom)
{
	u64 head = PEEK(u64, PT_REGS_PARM1(ctx));
	struct rec_trace_line record = {};

	if (head << 16 != TRACE_FORMAT << 16)
		return 0;
	record.address = PT_REGS_PARM3(ctx);
	if (head >> 56 == '%') {
		record.source = PEEK(char, PT_REGS_PARM5(ctx));
		record.fgraph = PEEK(char, PT_REGS_PARM6(ctx));
		record.kretprobe = PEEK(char, REGISTER(ctx, 6));
	}
	stamp(&record.header, oom, REC_TRACE_LINE);
	records.perf_submit(ctx, &record, sizeof(record));
	return 1;
}

#define USAGE_LINES 3

/* mem_cgroup_print_oom_meminfo(memcg): usage, limit and failcnt are read next. */
int mem_cgroup_print_oom_meminfo(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (oom) {
		oom->stage &= ~WALKING;
		oom->usage_lines = USAGE_LINES;
	}
	send(ctx, SEND_MEMCGS, REC_COUNTERS, PT_REGS_PARM1(ctx));
	return 0;
}

/* memory_stat_format (up to 6.4) or memcg_stat_format (6.5+) flushes the statistics and formats them … */
int stat_format(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (oom && oom->stage & PRINTED)
		oom->stage |= FORMATTING;
	return 0;
}

/*
 * Usage moves while other CPUs give back what they hold in stock: 172 kB in the time that it took to send the counters.
 * So the printed values are those that printk gets; the counters serve where the kernel prints nothing.
 */
static inline void submit_usage(struct pt_regs *ctx, struct oom_state *oom)
{
	struct rec_usage record = {};

	record.usage_kb = PT_REGS_PARM2(ctx);
	record.limit_kb = PT_REGS_PARM3(ctx);
	record.failcnt = PT_REGS_PARM4(ctx);
	record.line = USAGE_LINES - oom->usage_lines--;
	stamp(&record.header, oom, REC_USAGE);
	records.perf_submit(ctx, &record, sizeof(record));
}

/*
 * "%s: Killed process %d (%s) total-vm:%lukB, anon-rss:%lukB, file-rss:%lukB, shmem-rss:%lukB, UID:%u pgtables:%lukB
 * oom_score_adj:%hd": a victim with several threads may be at work on another CPU until it sees the signal, so that its
 * sizes at mark_oom_victim are not always those that are printed.
 */
static inline void submit_kill_line(struct pt_regs *ctx, struct oom_state *oom)
{
	struct rec_kill_line record = {};
	u64 words[4] = {};

	if (AFTER_LEVEL(PT_REGS_PARM1(ctx)) != KILLED_FORMAT)
		return;
	copy_arguments(ctx, words, sizeof(words));
	record.pid = PT_REGS_PARM3(ctx);
	record.total_vm_kb = PT_REGS_PARM5(ctx);
	record.anon_kb = PT_REGS_PARM6(ctx);
	record.file_kb = words[0];
	record.shmem_kb = words[1];
	record.pgtables_kb = words[3];
	stamp(&record.header, oom, REC_KILL_LINE);
	records.perf_submit(ctx, &record, sizeof(record));
}

/*
 * … and the next printk prints them: the values are still those. Or it is a usage line, or one of Mem-Info's, or a row of
 * the task table, whose task is locked meanwhile.
 */
int stat_print(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	u64 subject;

	if (!oom)
		return 0;
	if (oom->stage & KILLING) {
		submit_kill_line(ctx, oom);
		return 0;
	}
	if (!ARCH(scans_stack) && oom->stage & WALKING && submit_trace_line(ctx, oom))
		return 0;
	if (oom->row && AFTER_LEVEL(PT_REGS_PARM1(ctx)) == ROW_FORMAT) {
		subject = oom->row;
		oom->row = 0;
		send(ctx, SEND_TASK, REC_TASK, subject);
		return 0;
	}
	if (oom->stage & PRINTED && !oom->memcg)
		parts.call(ctx, SEND_PRINT);
	if (!(oom->stage & FORMATTING)) {
		if (oom->usage_lines)
			submit_usage(ctx, oom);
		return 0;
	}
	oom->usage_lines = 0;
	oom->stage &= ~FORMATTING;
	parts.call(ctx, SEND_STATS);
	return 0;
}

/* mem_cgroup_show_protected_memory(memcg), 6.19+ */
int mem_cgroup_show_protected_memory(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	u64 memcg = PT_REGS_PARM1(ctx);

	if (!oom || !(oom->stage & PRINTED))
		return 0;
	if (HAVE_KSYM(root_mem_cgroup) && !memcg)
		memcg = PEEK(u64, KSYM(root_mem_cgroup));
	send(ctx, SEND_MEMCGS, REC_PROTECTION, memcg);
	return 0;
}

/* dump_task(p, oc): a row of the task table, unless p turns out to have no mm any more. */
int dump_task(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();

	if (oom)
		oom->row = PT_REGS_PARM1(ctx);
	return 0;
}

/* mem_cgroup_print_oom_context(memcg, victim): the middle of the line "oom-kill:constraint=…" */
int mem_cgroup_print_oom_context(struct pt_regs *ctx)
{
	u64 task = bpf_get_current_task(), victim = PT_REGS_PARM2(ctx), css, kn;
	struct oom_state *oom = get_oom();
	union scratch *s = get_scratch();

	if (!s || !oom || !victim)
		return 0;
	s->summary.memcg = oom->memcg;
	s->summary.victim_memcg = task_memcg(victim);
	copy_nodemask(s->summary.mems_allowed, AT(task, task_struct, mems_allowed));
	s->summary.pid = GET(victim, task_struct, pid);
	s->summary.uid = GET(GET(victim, task_struct, real_cred), cred, uid);
	COPY(s->summary.comm, victim, task_struct, comm);
	s->summary.cpuset[0] = 0;
	css = PEEK(u64, AT(GET(task, task_struct, cgroups), css_set, subsys) + 8 * ENUM(cpuset_cgrp_id));
	kn = GET(GET(css, cgroup_subsys_state, cgroup), cgroup, kn);
	bpf_probe_read_kernel_str(s->summary.cpuset, NAME_LEN, (void *)GET(kn, kernfs_node, name));
	stamp(&s->summary.header, oom, REC_SUMMARY);
	records.perf_submit(ctx, &s->summary, sizeof(s->summary));
	return 0;
}

/* ___ratelimit (lib/ratelimit.c) lets a report pass, and says through printk_deferred how many it has kept back. */
int printk_deferred(struct pt_regs *ctx)
{
	struct oom_state *oom = get_oom();
	struct rec_suppressed record = {};

	if (!oom || oom->stage & PRINTED || PEEK(u64, PT_REGS_PARM1(ctx)) != SUPPRESSED_FORMAT)
		return 0;
	record.callbacks = PT_REGS_PARM3(ctx);
	stamp(&record.header, oom, REC_SUPPRESSED);
	records.perf_submit(ctx, &record, sizeof(record));
	return 0;
}
