/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading kernel structures, and sending records.
 *
 * kernel_types.h is generated for the running kernel (oomtrace/kernel/header.py). It is made from what stands here and
 * in the programs: every GET, AT, COPY, ENUM and KSYM that the sources contain is looked up in the kernel's BTF and
 * symbols. A field, enumerator or symbol that the kernel lacks has no HAVE_… define; use it under #ifdef only.
 */
#ifndef OOMTRACE_COMMON_H
#define OOMTRACE_COMMON_H

#include "kernel_types.h"
#include "records.h"

/* The address of p->field, its value (scalars), and a copy of it (arrays). */
#define AT(p, s, f) ((u64)(p) + OFF_##s##__##f)
#define GET(p, s, f)                                                            \
	({                                                                      \
		TYPE_##s##__##f _value = 0;                                     \
		bpf_probe_read_kernel(&_value, sizeof(_value), (void *)AT(p, s, f)); \
		_value;                                                         \
	})
#define COPY(to, p, s, f) bpf_probe_read_kernel((to), sizeof(TYPE_##s##__##f), (void *)AT(p, s, f))
#define ENUM(name) ENUM_##name
#define KSYM(name) KSYM_##name
/*
 * An address that is calculated with: the compiler sees a number that only stands for it (oomtrace/programs/image.py), and
 * must not turn `x - address` into `x + number`.
 */
#define OPAQUE(value)                            \
	({                                       \
		u64 _hidden = (value);           \
		asm volatile("" : "+r"(_hidden)); \
		_hidden;                         \
	})
#define PEEK(type, address)                                                     \
	({                                                                      \
		type _word = 0;                                                 \
		bpf_probe_read_kernel(&_word, sizeof(_word), (void *)(address)); \
		_word;                                                          \
	})

#define AT_MOST(bytes, room) ((bytes) < (room) ? (bytes) : (room))

/* Eight characters of a printk's format, from its third on: before these is the level. */
#define AFTER_LEVEL(format) PEEK(u64, (format) + 2)

/* Flags of include/linux/sched.h and include/linux/sched/coredump.h; macros, so BTF has no word of them. */
#define PF_WQ_WORKER 0x00000020
#define PF_KTHREAD 0x00200000
#define MMF_OOM_SKIP 21

#define MAX_THREADS 32

/* An OOM in the hands of the task that invoked it: oom_lock is held from its beginning to its end. */
struct oom_state {
	u64 oom_id;
	u64 oc;
	u64 memcg;
	u64 subject;	  /* what the part that is called next is to send: a task or a memcg */
	u64 next_subject; /* the memcg whose ancestors come after it, 0 if none */
	u32 kind;	  /* as what: enum record_kind */
	u32 seq;
	u32 stage;
	u32 usage_lines; /* of the memcg's usage, that are still to be printed */
	u64 frame;	 /* the last REC_FRAME */
	u64 row;	 /* the task that dump_task has been entered for */
};

enum oom_stage {
	PRINTING = 1,	/* between dump_header and show_stack */
	WALKING = 256,	/* from show_stack on: the kernel prints the call trace */
	FORMATTING = 2, /* the memcg's statistics have been formatted, and are about to be printed */
	PRINTED = 4,	/* the kernel prints this report */
	SILENT = 8,	/* it does not: the parts follow one another */
	MEMINFO = 16,	/* between "Mem-Info:" and the tasks */
	MEMINFO_SHOWN = 32,
	KILLING = 64,  /* from __oom_kill_process to queue_oom_reaper */
	DECIDED = 128, /* oom_kill_process has been entered */
};

/*
 * The larger parts are programs of their own, tail-called with `subject` and `kind` set: bcc inlines every function,
 * and compiling the same code a dozen times would make starting slow.
 */
enum part {
	SEND_TASK,
	SEND_MEMCGS,
	SEND_STACK,
	SEND_STATS,
	SEND_MEMORY,
	SEND_NODE,
	SEND_PRINT,
};
BPF_PROG_ARRAY(parts, 7);

BPF_PERF_OUTPUT(records); /* wakes the reader when it begins to fill up */
BPF_PERF_OUTPUT(bells);	  /* wakes it at once; one that is not 0 says that there is no more to wait for */
BPF_TABLE("lru_hash", u32, struct oom_state, ooms, 4096);
BPF_TABLE("lru_hash", u64, u64, seen, 8192); /* memcg -> oom_id that has sent it */

/* Records are too large for the 512 bytes of a BPF stack. One record a CPU: programs do not nest (bpf_prog_active). */
union scratch {
	struct rec_begin begin;
	struct rec_report report;
	struct rec_stack stack;
	struct rec_stack_piece piece;
	struct rec_memcg memcg;
	struct rec_stats stats;
	struct rec_task task;
	struct rec_summary summary;
	struct rec_memory memory;
	struct rec_node node;
	struct rec_zone zone;
	struct rec_format format;
	struct rec_print print;
	struct rec_effort effort;
};
BPF_PERCPU_ARRAY(scratch, union scratch, 1);

/*
 * Wake the reader: when an OOM begins, as it then looks for records by itself until there are no more, when the kill is
 * over, and when the victim's memory is free, which is the last that is told. To wake it with every record costs more
 * than all the rest.
 */
static inline void ring(struct pt_regs *ctx, u64 over)
{
	bells.perf_submit(ctx, &over, sizeof(over));
}

/* What BPF's own trampoline gives a program: the function's arguments and, when it returns, after them the result. */
struct arguments {
	u64 arg[4];
};

static inline union scratch *get_scratch(void)
{
	u32 zero = 0;

	return scratch.lookup(&zero);
}

static inline struct oom_state *get_oom(void)
{
	u32 tid = bpf_get_current_pid_tgid();

	return ooms.lookup(&tid);
}

static inline void stamp(struct rec_header *header, struct oom_state *oom, u32 kind)
{
	header->kind = kind;
	header->seq = oom->seq++;
	header->oom_id = oom->oom_id;
	header->time_ns = bpf_ktime_get_ns();
}

/* A nodemask_t has words for as many nodes as the kernel is built for; there are none in the rest of a record's. */
static inline void copy_nodemask(u64 *to, u64 from)
{
	__builtin_memset(to, 0, NODES_WORDS * sizeof(*to));
	bpf_probe_read_kernel(to, AT_MOST(sizeof(TYPE_task_struct__mems_allowed), NODES_WORDS * sizeof(*to)), (void *)from);
}

/* What oom_control holds. */
static inline void submit_report(struct pt_regs *ctx, struct oom_state *oom, u32 kind)
{
	u64 nodemask = GET(oom->oc, oom_control, nodemask);
	union scratch *s = get_scratch();

	if (!s)
		return;
	s->report.totalpages = GET(oom->oc, oom_control, totalpages);
	s->report.chosen_points = GET(oom->oc, oom_control, chosen_points);
	s->report.memcg = oom->memcg;
	s->report.gfp_mask = GET(oom->oc, oom_control, gfp_mask);
	s->report.order = GET(oom->oc, oom_control, order);
	s->report.constraint = GET(oom->oc, oom_control, constraint);
	s->report.has_nodemask = nodemask != 0;
#ifdef HAVE_KSYM_sysctl_oom_dump_tasks
	s->report.dump_tasks = PEEK(s32, KSYM(sysctl_oom_dump_tasks)) != 0;
#else
	s->report.dump_tasks = -1;
#endif
	copy_nodemask(s->report.nodemask, nodemask);
	stamp(&s->report.header, oom, kind);
	records.perf_submit(ctx, &s->report, sizeof(s->report));
}

/* Hand over to a part. Does not return, unless there is no OOM in hand. */
static inline void send(struct pt_regs *ctx, u32 part, u32 kind, u64 subject)
{
	struct oom_state *oom = get_oom();

	if (!oom)
		return;
	oom->kind = kind;
	oom->subject = subject;
	parts.call(ctx, part);
}

#endif
