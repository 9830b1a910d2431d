/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of Python that run at a sample. A program of its own: should a kernel refuse it, samples lack them alone. */
#include "sample.h"

static inline u64 frame_word(struct python_scratch *s, u32 at)
{
	return *(u64 *)(s->frame + (at & FRAME_MASK));
}

/*
 * The current task's frames, innermost first; returns how many. Each is read at once, as calling a helper costs more
 * than all that is done with what it reads; one that cannot be read is zeros. What they mean is left to the reader: each
 * branch in a loop makes the verifier's work many times as long.
 */
static inline u32 fill_frames(struct python *of, struct python_scratch *s, u64 frame)
{
	u64 bytes = of->frame_bytes;
	int i;

	asm volatile("%0 &= 127" : "+r"(bytes)); /* FRAME_MASK, which the compiler must not save */

#pragma nounroll
	for (i = 0; i < PYTHON_FRAMES && frame; i++) {
		struct python_frame *one;
		u64 at = i;

		asm volatile("%0 &= 63" : "+r"(at)); /* PYTHON_FRAMES - 1, for the verifier, which the compiler must not save */
		one = &s->record.running[at];
		bpf_probe_read_user(s->frame, bytes, (void *)frame);
		one->code = frame_word(s, of->frame_code);
		one->instruction = frame_word(s, of->frame_instruction);
		one->owner[0] = s->frame[of->frame_owner & FRAME_MASK];
		one->entry[0] = s->frame[of->frame_entry & FRAME_MASK];
		frame = frame_word(s, of->frame_previous);
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
	s->record.count = fill_frames(of, s, frame);
#pragma nounroll
	for (i = 0; i < PYTHON_NAMED; i++)
		note_code(of, &s->code, tgid, s->record.running[i].code & of->code_mask);
	bytes = s->record.count * sizeof(s->record.running[0]);
	asm volatile("%0 &= 2047" : "+r"(bytes)); /* likewise */
	if (bytes <= sizeof(s->record.running))
		samples.perf_submit(ctx, &s->record, offsetof(struct rec_python, running) + bytes);
	return 0;
}
