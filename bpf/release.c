/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After the kill: when the victim's memory is free. */
#include "release.h"
#include "task.h"

BPF_TABLE("lru_hash", u32, struct release, releasing, 1024); /* by the task that does it */

/* exit_mmap(mm), by whoever was the last to use it */
int exit_mmap(struct pt_regs *ctx)
{
	u64 mm = PT_REGS_PARM1(ctx);
	u32 tid = bpf_get_current_pid_tgid();
	struct release release, *found = victims.lookup(&mm);

	if (!found)
		return 0;
	release = *found;
	release.anon_pages = mm_counter(mm, ENUM(MM_ANONPAGES));
	victims.delete(&mm);
	releasing.update(&tid, &release);
	return 0;
}

int exit_mmap_return(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct release *found = releasing.lookup(&tid);
	struct rec_released record = {};

	if (!found)
		return 0;
	record.mm = found->mm;
	record.anon_pages = found->anon_pages;
	record.tgid = found->tgid;
	stamp_late(&record.header, found->oom_id, REC_RELEASED);
	releasing.delete(&tid);
	records.perf_submit(ctx, &record, sizeof(record));
	ring(ctx, 1);
	return 0;
}

/* do_send_sig_info(sig, info, p, type): where send_signal (signals.c), which all signals pass, is not attached. */
int do_send_sig_info(struct pt_regs *ctx)
{
	tell_of_oom(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
	return 0;
}

#define OOM_REAP 0x706165725f6d6f6fULL /* "oom_reap", little-endian */

/* "oom_reaper: reaped process %d (%s), now anon-rss:%lukB, file-rss:%lukB, shmem-rss:%lukB" or "… unable to reap" */
int oom_reaper_print(struct pt_regs *ctx)
{
	struct rec_reaped record = {};
	u32 pid = PT_REGS_PARM2(ctx);
	u64 *oom_id;

	if (AFTER_LEVEL(PT_REGS_PARM1(ctx)) != OOM_REAP)
		return 0;
	oom_id = victim_ooms.lookup(&pid);
	if (!oom_id)
		return 0;
	record.pid = pid;
	bpf_probe_read_kernel_str(record.comm, COMM_LEN, (void *)PT_REGS_PARM3(ctx));
	record.reaped = PEEK(char, PT_REGS_PARM1(ctx) + 2 + sizeof("oom_reaper: ") - 1) == 'r';
	record.anon_kb = PT_REGS_PARM4(ctx);
	record.file_kb = PT_REGS_PARM5(ctx);
	record.shmem_kb = PT_REGS_PARM6(ctx);
	stamp_late(&record.header, *oom_id, REC_REAPED);
	records.perf_submit(ctx, &record, sizeof(record));
	return 0;
}
