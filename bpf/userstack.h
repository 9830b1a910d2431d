/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a process is in its own code: its registers as it entered the kernel, and what lies on its stack.
 *
 * Who called whom is found out later, from the program's own tables (oomtrace/code/): programs are built without frame
 * pointers, so bpf_get_stack has one or two frames of them.
 */
#ifndef OOMTRACE_USERSTACK_H
#define OOMTRACE_USERSTACK_H

#include "common.h"
#include "release.h"
#include "stack.h"

#define PF_IO_WORKER 0x00000010 /* works for io_uring, in the kernel alone */
#define USER_PIECES 9 /* 32 KiB, of which the first piece is that of a page that is above sp */

/* Of the process's main thread: arguments and environment begin there. */
static inline u64 stack_end(u64 task, u64 sp)
{
	u64 mm = GET(task, task_struct, mm), end;

	if (!mm || !HAVE(mm_struct, start_stack))
		return 0;
	end = GET(mm, mm_struct, start_stack);
	return end >= sp ? end : 0;
}

/* struct pt_regs; where it is not in the BTF, that of x86-64. */
#define REGISTERS_BYTES (HAVE_SIZEOF(pt_regs) ? SIZEOF(pt_regs) : 168)

static inline u64 user_register(u64 *registers, u64 at)
{
	return *(u64 *)((u8 *)registers + at);
}

static inline u32 is_user(u64 *registers)
{
	return (user_register(registers, ARCH(mode)) & ARCH(mode_bits)) == ARCH(user_mode);
}

/*
 * The user's registers, from the top of the kernel's stack, under a padding of 16 bytes on some (see fill_regs); how many
 * bytes they are, 0 if it has none.
 */
static inline u32 copy_registers(u64 *to, u64 task)
{
	u64 at = GET(task, task_struct, stack) + STACK_BYTES - REGISTERS_BYTES;

	if (GET(task, task_struct, flags) & (PF_KTHREAD | PF_IO_WORKER))
		return 0;
	bpf_probe_read_kernel(to, ARCH(user_bytes), (void *)at);
	if (!is_user(to))
		bpf_probe_read_kernel(to, ARCH(user_bytes), (void *)(at - 16));
	return is_user(to) ? ARCH(user_bytes) : 0;
}

/* The current task's registers; 0 if it has none, else where its stack pointer is. */
static inline u64 fill_user_stack(struct rec_user_stack *to, u32 role)
{
	u64 task = bpf_get_current_task(), sp = 0;

	to->role = role;
	to->tgid = bpf_get_current_pid_tgid() >> 32;
	to->pid = bpf_get_current_pid_tgid();
	to->end = 0;
	to->registers_bytes = copy_registers(to->registers, task);
	if (to->registers_bytes) {
		sp = user_register(to->registers, ARCH(stack_pointer));
		to->end = stack_end(task, sp);
	}
	to->sp = sp;
	bpf_get_current_comm(to->comm, COMM_LEN);
	return sp;
}

/* How far the piece reaches that begins there: to the end of its page, as a page is there or is not. */
static inline u64 piece_bytes(u64 address, u64 end)
{
	u64 bytes = (~address & (USER_PIECE - 1)) + 1;

	if (end && end - address < bytes)
		bytes = end - address;
	/* 1 to USER_PIECE, as the verifier must see, and the compiler would not have it see. */
	asm volatile("%0 += -1\n%0 &= 4095\n%0 += 1" : "+r"(bytes));
	return bytes;
}

/* Its stack, from sp up to what is not there, or to the end that is known. `oom` 0: this is afterwards. */
static inline void submit_user_pieces(struct pt_regs *ctx, struct oom_state *oom, u64 oom_id, u64 sp, u64 end)
{
	union scratch *s = get_scratch();
	u64 address = sp;
	int i;

	if (!s)
		return;
#pragma nounroll
	for (i = 0; i < USER_PIECES; i++) {
		u64 bytes = piece_bytes(address, end);

		if (address == end || bpf_probe_read_user(s->user_piece.memory, bytes, (void *)address))
			break;
		s->user_piece.address = address;
		s->user_piece.pid = bpf_get_current_pid_tgid();
		s->user_piece.length = bytes;
		if (oom)
			stamp(&s->user_piece.header, oom, REC_USER_PIECE);
		else
			stamp_late(&s->user_piece.header, oom_id, REC_USER_PIECE);
		records.perf_submit(ctx, &s->user_piece, offsetof(struct rec_user_piece, memory) + bytes);
		address += bytes;
	}
}

/* A process whose stacks are awaited, by its tgid: for which OOM, and of which thread besides the first. */
struct doomed {
	u64 oom_id;
	u32 pid;	/* that which charged last; the first, when this one is gone */
	u32 first_gone;
};
BPF_TABLE("lru_hash", u32, struct doomed, doomed, 1024);

/*
 * The first victim of an OOM will be looked at on its way out: its first thread and the one that charged last. Not where
 * the task that invoked the OOM killer is just that thread: its stack has been taken.
 */
static inline void await_stack(struct oom_state *oom, u32 tgid, u32 pid)
{
	struct doomed fresh = {.oom_id = oom->oom_id, .pid = pid ? pid : tgid};

	if (oom->stage & DOOMED)
		return;
	oom->stage |= DOOMED;
	if (fresh.pid != (u32)bpf_get_current_pid_tgid())
		doomed.update(&tgid, &fresh);
}

#endif
