/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading kernel structures, and sending records.
 *
 * What the programs ask of the kernel (where does a field lie, does it have one, how large is it) is written with the
 * macros below, and with nothing else. kernel_types.h is generated from them (oomtrace/kernel/header.py). In programs
 * that fit every kernel each answer is a number that the compiler cannot see through, put in when they are loaded; in
 * programs for one kernel it is that kernel's. Where the kernel lacks a field, an enumerator or a symbol, its HAVE is 0
 * and nothing else of it may be used: `if (HAVE(…))` around it is enough, as the verifier does not look into a branch
 * that cannot be taken. It refuses a program that uses what the kernel lacks.
 */
#ifndef OOMTRACE_COMMON_H
#define OOMTRACE_COMMON_H

#include "kernel_types.h"
#include "records.h"

/* A field: whether there is one, its offset and its size in bytes, of an array the number of elements. */
#define HAVE(s, f) HAVE_##s##__##f
#define OFF(s, f) OFF_##s##__##f
#define SIZE(s, f) SIZE_##s##__##f
#define LENGTH(s, f) LENGTH_##s##__##f
/* A struct's size, and whether it is known. */
#define SIZEOF(s) SIZEOF_##s
#define HAVE_SIZEOF(s) HAVE_SIZEOF_##s
/* An enumerator's value; a symbol's address, and its size in bytes. */
#define ENUM(name) ENUM_##name
#define HAVE_ENUM(name) HAVE_ENUM_##name
#define KSYM(name) KSYM_##name
#define KSYM_SIZE(name) KSYM_SIZE_##name
#define HAVE_KSYM(name) HAVE_KSYM_##name
/* What no single field tells (features, oomtrace/kernel/header.py). */
#define FEATURE(name) FEATURE_##name
/* What differs between architectures (oomtrace/arch.py). */
#define ARCH(name) ARCH_##name

/*
 * What a register held when the function was entered, or when it returned. Where struct pt_regs has it differs between
 * architectures, so it is put in when the programs are loaded: an offset from REGISTER_MARK on, which no struct of ours
 * reaches, stands for the n-th of Arch.registers. One that an architecture does not have is like a field that a kernel
 * lacks.
 */
#define REGISTER_MARK 0x7000
#define REGISTER(ctx, n)                                                                                        \
	({                                                                                                      \
		u64 _held;                                                                                      \
		asm("%0 = *(u64 *)(%1 + %2)" : "=r"(_held) : "r"(ctx), "i"(REGISTER_MARK + 8 * (n)));           \
		_held;                                                                                          \
	})
#undef PT_REGS_PARM1
#undef PT_REGS_PARM2
#undef PT_REGS_PARM3
#undef PT_REGS_PARM4
#undef PT_REGS_PARM5
#undef PT_REGS_PARM6
#undef PT_REGS_RC
#undef PT_REGS_SP
#define PT_REGS_PARM1(ctx) REGISTER(ctx, 0)
#define PT_REGS_PARM2(ctx) REGISTER(ctx, 1)
#define PT_REGS_PARM3(ctx) REGISTER(ctx, 2)
#define PT_REGS_PARM4(ctx) REGISTER(ctx, 3)
#define PT_REGS_PARM5(ctx) REGISTER(ctx, 4)
#define PT_REGS_PARM6(ctx) REGISTER(ctx, 5)
#define PT_REGS_RC(ctx) REGISTER(ctx, 8)
#define PT_REGS_SP(ctx) REGISTER(ctx, 9)

/*
 * The address of p->field, its value, and a copy of as much of it as there is room for. The value is of as many bytes as
 * the field, whatever their number on this kernel, and not negative: cast one that may be to its own type.
 */
#define AT(p, s, f) ((u64)(p) + OFF(s, f))
#define GET(p, s, f)                                                           \
	({                                                                     \
		u64 _value = 0;                                                \
		bpf_probe_read_kernel(&_value, SIZE(s, f), (void *)AT(p, s, f)); \
		_value;                                                        \
	})
#define COPY(to, p, s, f) bpf_probe_read_kernel((to), AT_MOST(SIZE(s, f), sizeof(to)), (void *)AT(p, s, f))
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
	u64 who;	 /* the task whose REC_WHO comes after the memcgs, 0 if none */
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
	DOOMED = 512,  /* the first victim's stack is awaited */
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
	SEND_NEAR,
	SEND_WHO,
	SEND_USER_STACK,
	SEND_PYTHON,
};
BPF_PROG_ARRAY(parts, 11);

BPF_PERF_OUTPUT(records); /* wakes the reader when it begins to fill up */
BPF_PERF_OUTPUT(bells);	  /* wakes it at once: struct bell */
BPF_TABLE("lru_hash", u32, struct oom_state, ooms, 4096);
BPF_TABLE("lru_hash", u64, u64, seen, 8192); /* memcg -> oom_id that has sent it */

/* What a person has asked for: bits of the one element. */
#define SETTING_NO_CMDLINE 1
#define SETTING_NO_WITNESS 2 /* nobody looks: no bells when a memcg nears its limit, and no REC_WHO */
BPF_ARRAY(settings, u32, 1);

static inline u32 is_set(u32 bit)
{
	u32 zero = 0, *set = settings.lookup(&zero);

	return set && *set & bit;
}

/* Records are too large for the 512 bytes of a BPF stack. One record a CPU: programs do not nest (bpf_prog_active). */
union scratch {
	struct rec_begin begin;
	struct rec_report report;
	struct rec_stack stack;
	struct rec_stack_piece piece;
	struct rec_memcg memcg;
	struct rec_stats stats;
	struct rec_stats_text stats_text;
	struct rec_task task;
	struct rec_summary summary;
	struct rec_memory memory;
	struct rec_node node;
	struct rec_zone zone;
	struct rec_format format;
	struct rec_print print;
	struct rec_allocation allocation;
	struct rec_effort effort;
	struct rec_near near;
	struct rec_history history;
	struct rec_who who;
	struct rec_sender sender;
	struct rec_signal signal;
	struct rec_user_stack user_stack;
	struct rec_user_piece user_piece;
};
BPF_PERCPU_ARRAY(scratch, union scratch, 1);

/* What comes through `bells`: of an OOM that begins, where and by whom; of a decision, who dies. */
struct bell {
	u64 over; /* there is no more to wait for */
	u64 memcg;
	u64 tgid; /* a process that is to be looked at while it is alive; 0: none */
};

/*
 * Wake the reader: when an OOM begins, as it then looks for records by itself until there are no more, when the kill is
 * over, and when the victim's memory is free, which is the last that is told. To wake it with every record costs more
 * than all the rest.
 */
static inline void ring(struct pt_regs *ctx, u64 over)
{
	struct bell bell = {.over = over};

	bells.perf_submit(ctx, &bell, sizeof(bell));
}

static inline void ring_for(struct pt_regs *ctx, u64 memcg, u32 tgid)
{
	struct bell bell = {.memcg = memcg, .tgid = tgid};

	bells.perf_submit(ctx, &bell, sizeof(bell));
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

/* Arguments from the seventh on: in registers while there are some, the others on the stack. */
static inline void copy_arguments(struct pt_regs *ctx, u64 *to, u32 bytes)
{
	u64 stack = PT_REGS_SP(ctx) + ARCH(stack_arguments);

	if (ARCH(register_arguments) == 6) {
		bpf_probe_read_kernel(to, bytes, (void *)stack);
		return;
	}
	to[0] = REGISTER(ctx, 6);
	to[1] = REGISTER(ctx, 7);
	bpf_probe_read_kernel(to + 2, bytes - 16, (void *)stack);
}

/*
 * The call trace from the probed function on, of the unwinder's frames; how many bytes they are. Where a function is
 * entered with its return address in a register (arm64), the unwinder does not know of it, as it lies in no frame yet:
 * the caller would be missing.
 */
static inline long copy_frames(struct pt_regs *ctx, u64 *to, u32 bytes)
{
	long found;

	if (!ARCH(links))
		return bpf_get_stack(ctx, to, bytes, 0);
	found = bpf_get_stack(ctx, to + 1, bytes - 8, 0);
	if (found <= 0)
		return found;
	to[0] = to[1];
	to[1] = REGISTER(ctx, 10);
	return found + 8;
}

/* A nodemask_t has words for as many nodes as the kernel is built for; there are none in the rest of a record's. */
static inline void copy_nodemask(u64 *to, u64 from)
{
	__builtin_memset(to, 0, NODES_WORDS * sizeof(*to));
	bpf_probe_read_kernel(to, AT_MOST(SIZE(task_struct, mems_allowed), NODES_WORDS * sizeof(*to)), (void *)from);
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
	s->report.dump_tasks = -1;
	if (HAVE_KSYM(sysctl_oom_dump_tasks))
		s->report.dump_tasks = PEEK(s32, KSYM(sysctl_oom_dump_tasks)) != 0;
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
