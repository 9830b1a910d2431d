/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trigger's stack, as the kernel is about to walk it.
 *
 * On x86 (show_trace_log_lvl, arch/x86/kernel/dumpstack.c) the kernel prints the frames that its unwinder finds, and with
 * a `?` every other word on the stack that looks like a return address. So two things are taken: the unwinder's frames
 * (bpf_get_stack), and the raw stack. Elsewhere it prints the frames alone, and each is taken as it is printed
 * (submit_trace_line); bpf_get_stack serves where the kernel prints nothing.
 */
#ifndef OOMTRACE_STACK_H
#define OOMTRACE_STACK_H

#include "common.h"

/* THREAD_SIZE; where union thread_union is not in the BTF, that of kernels without KASAN: 16 KiB, or a page (arm64). */
#define STACK_BYTES (HAVE_SIZEOF(thread_union) ? SIZEOF(thread_union) : 1ULL << (PAGE_SHIFT > 14 ? PAGE_SHIFT : 14))

/* struct pt_regs of x86-64, in words (arch/x86/include/asm/ptrace.h) */
#define X86_WORDS 21
#define X86_IP 16
#define X86_CS 17

/*
 * The user's registers lie at the top of the stack, under a padding of 16 bytes where the kernel is built for FRED
 * (TOP_OF_KERNEL_STACK_PADDING, 6.9+) and none elsewhere. A kernel thread has none.
 */
static inline u64 fill_regs(struct rec_stack *to, u64 top)
{
	u64 regs = top - 8 * X86_WORDS, cs;

	cs = PEEK(u64, regs + 8 * X86_CS);
	if ((cs & 3) != 3) {
		regs -= 16;
		cs = PEEK(u64, regs + 8 * X86_CS);
	}
	to->has_regs = (cs & 3) == 3;
	if (!to->has_regs)
		return 0;
	bpf_probe_read_kernel(to->regs, sizeof(to->regs), (void *)regs);
	return PEEK(u64, regs + 8 * X86_IP);
}

/* print_worker_info (kernel/workqueue.c) */
static inline void fill_worker(struct rec_stack *to, u64 task)
{
	u64 kthread, worker, pwq;

	to->work_func = 0;
	to->workqueue[0] = to->work_desc[0] = 0;
	/* All of these are private to kernel/: types from headers do not have them. */
	if (!HAVE(kthread, data) || !HAVE(worker, current_pwq) || !HAVE(worker, current_func) || !HAVE(worker, desc) ||
	    !HAVE(pool_workqueue, wq) || !HAVE(workqueue_struct, name))
		return;
	if (!(GET(task, task_struct, flags) & PF_WQ_WORKER))
		return;
	if (HAVE(task_struct, worker_private))
		kthread = GET(task, task_struct, worker_private);
	else
		kthread = GET(task, task_struct, set_child_tid); /* up to 5.16 */
	worker = GET(kthread, kthread, data);
	pwq = GET(worker, worker, current_pwq);
	to->work_func = GET(worker, worker, current_func);
	bpf_probe_read_kernel_str(to->workqueue, sizeof(to->workqueue),
				  (void *)AT(GET(pwq, pool_workqueue, wq), workqueue_struct, name));
	bpf_probe_read_kernel_str(to->work_desc, sizeof(to->work_desc), (void *)AT(worker, worker, desc));
}

/*
 * A page fault in the kernel (read(2) into a page not touched before) stands in the trace with its registers and the
 * code around the instruction. Its address follows that of the exception's entry in the unwinder's frames.
 */
static inline void fill_fault(struct rec_stack *to)
{
	u64 entry;
	int i;

	to->fault_ip = 0;
	if (!HAVE_KSYM(asm_exc_page_fault))
		return;
	entry = KSYM(asm_exc_page_fault);
#pragma nounroll
	for (i = 0; i + 1 < MAX_FRAMES && 8 * (i + 1) < (int)to->frame_bytes; i++) {
		if (to->frames[i] - entry >= KSYM_SIZE(asm_exc_page_fault))
			continue;
		to->fault_ip = to->frames[i + 1];
		to->fault_code_error =
			bpf_probe_read_kernel(to->fault_code, CODE_LEN, (void *)(to->fault_ip - CODE_BEFORE));
		break;
	}
}

/* dump_stack_print_info (lib/dump_stack.c). A kernel that shows no data (CONFIG_KALLSYMS_ALL=n) shows none of these. */
static inline void fill_print_info(struct rec_stack *to)
{
	to->taint = to->kdump = NOT_TRACKED;
	to->hardware[0] = 0;
	if (HAVE_KSYM(tainted_mask)) {
		to->taint = PEEK(u64, KSYM(tainted_mask));
		to->kdump = 0; /* no CONFIG_KEXEC_CORE, unless … */
	}
	if (HAVE_KSYM(kexec_crash_image))
		to->kdump = PEEK(u64, KSYM(kexec_crash_image));
	if (HAVE_KSYM(dump_stack_arch_desc_str))
		bpf_probe_read_kernel(to->hardware, sizeof(to->hardware), (void *)KSYM(dump_stack_arch_desc_str));
}

static inline void submit_pieces(struct pt_regs *ctx, struct oom_state *oom, u64 sp, u64 top)
{
	union scratch *s = get_scratch();
	u64 address = sp & ~(u64)(STACK_PIECE - 1);
	int i;

	if (!s)
		return;
#pragma nounroll
	for (i = 0; i < STACK_BYTES / STACK_PIECE; i++) {
		if (address >= top)
			break;
		s->piece.address = address;
		if (!bpf_probe_read_kernel(s->piece.bytes, STACK_PIECE, (void *)address)) {
			stamp(&s->piece.header, oom, REC_STACK_PIECE);
			records.perf_submit(ctx, &s->piece, sizeof(s->piece));
		}
		address += STACK_PIECE;
	}
}

static inline void submit_stack(struct pt_regs *ctx, struct oom_state *oom)
{
	u64 task = bpf_get_current_task(), top = GET(task, task_struct, stack) + STACK_BYTES, ip;
	union scratch *s = get_scratch();
	long bytes;

	if (!s)
		return;
	s->stack.sp = PT_REGS_SP(ctx);
	s->stack.stack_top = top;
	s->stack.cpu = bpf_get_smp_processor_id();
	s->stack.pid = bpf_get_current_pid_tgid();
	s->stack.uid = GET(GET(task, task_struct, real_cred), cred, euid);
	fill_print_info(&s->stack);
	s->stack.has_regs = 0;
	if (ARCH(scans_stack)) {
		ip = fill_regs(&s->stack, top);
		s->stack.code_error = bpf_probe_read_user(s->stack.code, CODE_LEN, (void *)(ip - CODE_BEFORE));
	}
	fill_worker(&s->stack, task);
	bytes = copy_frames(ctx, s->stack.frames, sizeof(s->stack.frames));
	s->stack.frame_bytes = bytes < 0 ? 0 : bytes;
	fill_fault(&s->stack);
	stamp(&s->stack.header, oom, REC_STACK);
	records.perf_submit(ctx, &s->stack, sizeof(s->stack));
	if (ARCH(scans_stack))
		submit_pieces(ctx, oom, s->stack.sp, top);
}

#endif
