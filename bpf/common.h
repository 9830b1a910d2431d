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
#define PEEK(type, address)                                                     \
	({                                                                      \
		type _word = 0;                                                 \
		bpf_probe_read_kernel(&_word, sizeof(_word), (void *)(address)); \
		_word;                                                          \
	})

/* Flags of include/linux/sched.h and include/linux/sched/coredump.h; macros, so BTF has no word of them. */
#define PF_WQ_WORKER 0x00000020
#define PF_KTHREAD 0x00200000
#define MMF_OOM_SKIP 21

#define MAX_DEPTH 24
#define MAX_THREADS 32

/* An OOM in the hands of the task that invoked it: oom_lock is held from its beginning to its end. */
struct oom_state {
	u64 oom_id;
	u64 oc;
	u64 memcg;
	u32 seq;
	u32 stage;
};

enum oom_stage {
	PRINTING = 1,	 /* between dump_header and the kill */
	FORMATTING = 2,	 /* the memcg's statistics have been formatted, and are about to be printed */
	KILLING = 4,	 /* between __oom_kill_process and mark_oom_victim */
	PRINTED = 8,	 /* the kernel has printed this report */
};

BPF_PERF_OUTPUT(records);
BPF_TABLE("lru_hash", u32, struct oom_state, ooms, 4096);
BPF_TABLE("lru_hash", u64, u64, seen, 8192); /* memcg -> oom_id that has sent it */

/* Records are too large for the 512 bytes of a BPF stack. One record a CPU: programs do not nest (bpf_prog_active). */
union scratch {
	struct rec_begin begin;
	struct rec_candidate candidate;
	struct rec_chosen chosen;
	struct rec_report report;
	struct rec_stack stack;
	struct rec_stack_piece piece;
	struct rec_memcg memcg;
	struct rec_stats stats;
	struct rec_task task;
	struct rec_summary summary;
	struct rec_kill kill;
};
BPF_PERCPU_ARRAY(scratch, union scratch, 1);

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

/* A record that says no more than its kind and one number. */
static inline void submit_group(struct pt_regs *ctx, struct oom_state *oom, u32 kind, u64 value)
{
	struct rec_group record = {};

	stamp(&record.header, oom, kind);
	record.memcg = value;
	records.perf_submit(ctx, &record, sizeof(record));
}

#endif
