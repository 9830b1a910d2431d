/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of Python that run at a sample. A program of its own: should a kernel refuse it, samples lack them alone. */
#include "sample.h"

/*
 * The current task's frames, innermost first; returns how many. What they mean is left to the reader: each branch in a
 * loop makes the verifier's work many times as long.
 */
static inline u32 fill_frames(struct python *of, struct rec_python *to, u64 frame)
{
	int i;

#pragma nounroll
	for (i = 0; i < PYTHON_FRAMES && frame; i++) {
		struct python_frame *one;
		u64 at = i;

		asm volatile("%0 &= 63" : "+r"(at)); /* PYTHON_FRAMES - 1, for the verifier, which the compiler must not save */
		one = &to->running[at];
		bpf_probe_read_user(&one->code, sizeof(one->code), (void *)(frame + of->frame_code));
		bpf_probe_read_user(&one->instruction, sizeof(one->instruction), (void *)(frame + of->frame_instruction));
		bpf_probe_read_user(one->owner, 1, (void *)(frame + of->frame_owner));
		bpf_probe_read_user(one->entry, 1, (void *)(frame + of->frame_entry));
		frame = user_word(frame + of->frame_previous);
	}
	return i;
}

/* After the sample of that time, see awaits_python. */
int send_python(struct pt_regs *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32, pid = bpf_get_current_pid_tgid(), zero = 0;
	struct python *of = pythons.lookup(&tgid);
	struct python_scratch *s = python_scratch.lookup(&zero);
	u64 frame, bytes;
	int i;

	if (!of || !s)
		return 0;
	frame = python_thread(of, pid);
	if (!frame)
		return 0;
	frame = user_word(frame + of->thread_frame);
	if (of->cframe_frame != NO_OFFSET)
		frame = user_word(frame + of->cframe_frame);
	s->record.header.kind = REC_PYTHON;
	s->record.header.seq = NO_SEQ;
	s->record.pid = pid;
	s->record.count = fill_frames(of, &s->record, frame);
#pragma nounroll
	for (i = 0; i < PYTHON_NAMED; i++)
		note_code(of, &s->code, tgid, s->record.running[i].code & of->code_mask);
	bytes = s->record.count * sizeof(s->record.running[0]);
	asm volatile("%0 &= 2047" : "+r"(bytes)); /* likewise */
	if (bytes <= sizeof(s->record.running))
		samples.perf_submit(ctx, &s->record, offsetof(struct rec_python, running) + bytes);
	return 0;
}
