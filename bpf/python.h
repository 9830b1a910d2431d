/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which functions a Python program runs: the interpreter's own frames, which lie in its heap, not on its stack.
 *
 * Where things lie in an interpreter's memory is learnt by the reader, which looks at a process once
 * (oomtrace/code/python/layout.py), and put here for each process. Names are read here, too: afterwards the process may
 * have gone.
 */
#ifndef OOMTRACE_PYTHON_H
#define OOMTRACE_PYTHON_H

#include "common.h"

#define PYTHON_THREADS 96    /* interpreters and threads that are passed to find the current one */
#define PYTHON_NAMED 6 /* innermost frames whose code objects are read; looks at the process find those further out */
#define NO_OFFSET ((u32)-1)
#define PYTHON_COMPACT_ASCII 3 /* bits of a str's state: its characters follow, a byte each */

/* oomtrace/code/python/layout.py, Layout.packed. */
struct python {
	u64 runtime; /* the address of _PyRuntime */
	u64 code_mask;
	u32 interpreters_head;
	u32 interpreter_next;
	u32 threads_head;
	u32 thread_next;
	u32 thread_native_id;
	u32 thread_frame;
	u32 cframe_frame; /* or NO_OFFSET */
	u32 frame_previous;
	u32 frame_code;
	u32 frame_instruction;
	u32 frame_owner;
	u32 frame_entry; /* whatever lies there, where there is none */
	u32 entry_owner;
	u32 code_file;
	u32 code_name;
	u32 code_line_table;
	u32 code_first_line;
	u32 code_instructions;
	u32 text_ascii;
	u32 text_length;
	u32 text_state;
	u32 bytes_length;
	u32 bytes_data;
	u32 frame_bytes; /* of a frame, as much as is read */
};
BPF_TABLE("lru_hash", u32, struct python, pythons, 256); /* by tgid */
BPF_TABLE("lru_hash", u32, u64, python_threads, 1024);	 /* by pid: its PyThreadState */

struct python_code_key {
	u64 tgid;
	u64 code;
};

/* oomtrace/code/python/walk.py, unpacked. */
struct python_code {
	u64 instructions; /* where its byte code begins */
	u32 first_line;
	u32 table_length; /* of the whole; `table` has its beginning */
	u32 file_length;  /* of the whole; `file` has its end */
	u32 unused;
	char name[64];
	char file[96];
	u8 table[256];
};
BPF_TABLE("lru_hash", struct python_code_key, struct python_code, python_codes, 2048);

#define FRAME_MASK 127 /* of offsets in a frame, for the verifier */

struct python_scratch {
	struct rec_python record;
	struct python_code code;
	u8 frame[FRAME_MASK + 1 + 8];
};
BPF_PERCPU_ARRAY(python_scratch, struct python_scratch, 1);

static inline u64 user_word(u64 address)
{
	u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

static inline u32 user_number(u64 address)
{
	u32 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

static inline u32 user_byte(u64 address)
{
	u8 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

/* The number by which a thread knows itself: that of its own pid namespace. */
static inline u64 own_pid(u64 task)
{
	u64 pid = GET(task, task_struct, thread_pid), level = GET(pid, pid, level);

	return GET(AT(pid, pid, numbers) + (level & 31) * SIZEOF(upid), upid, nr);
}

/* The current task's PyThreadState; 0 if it has none. New ones are put in front of a list, interpreters and threads. */
static inline u64 python_thread(struct python *of, u32 pid)
{
	u64 native = own_pid(bpf_get_current_task()), interpreter, thread, *known = python_threads.lookup(&pid);
	int i;

	if (known && user_word(*known + of->thread_native_id) == native)
		return *known;
	interpreter = user_word(of->runtime + of->interpreters_head);
	thread = user_word(interpreter + of->threads_head);
#pragma nounroll
	for (i = 0; i < PYTHON_THREADS && interpreter; i++) {
		if (!thread) {
			interpreter = user_word(interpreter + of->interpreter_next);
			thread = interpreter ? user_word(interpreter + of->threads_head) : 0;
			continue;
		}
		if (user_word(thread + of->thread_native_id) == native) {
			python_threads.update(&pid, &thread);
			return thread;
		}
		thread = user_word(thread + of->thread_next);
	}
	return 0;
}

/* Whether the characters of a str follow it, a byte each. `interned` has 2 bits, in some versions 16; then 3 of kind. */
static inline u32 is_ascii(struct python *of, u64 text)
{
	u32 state = user_number(text + of->text_state);

	return ((state & 0x1c ? state >> 5 : state >> 19) & PYTHON_COMPACT_ASCII) == PYTHON_COMPACT_ASCII;
}

/* What names a code object, if it has not been read yet. What is no code object has no names in the right places. */
static inline void note_code(struct python *of, struct python_code *to, u64 tgid, u64 code)
{
	struct python_code_key key = {.tgid = tgid, .code = code};
	u64 name, file, table, length, bytes;

	if (python_codes.lookup(&key))
		return;
	name = user_word(code + of->code_name);
	file = user_word(code + of->code_file);
	if (!(is_ascii(of, name) & is_ascii(of, file)))
		return;
	table = user_word(code + of->code_line_table);
	length = user_word(file + of->text_length);
	to->instructions = code + of->code_instructions;
	to->first_line = user_number(code + of->code_first_line);
	to->file_length = length;
	to->unused = 0;
	to->name[0] = to->file[0] = 0;
	bpf_probe_read_user_str(to->name, sizeof(to->name), (void *)(name + of->text_ascii));
	file += of->text_ascii;
	if (length > sizeof(to->file) - 1)
		file += length - (sizeof(to->file) - 1);
	bpf_probe_read_user_str(to->file, sizeof(to->file), (void *)file);
	to->table_length = bytes = user_word(table + of->bytes_length);
	if (bytes > sizeof(to->table) - 1)
		bytes = sizeof(to->table) - 1;
	asm volatile("%0 &= 255" : "+r"(bytes)); /* for the verifier, which the compiler must not save */
	bpf_probe_read_user(to->table, bytes, (void *)(table + of->bytes_data));
	python_codes.update(&key, to);
}

/* Whether a process has been looked at, and is Python: its functions are then sent as of this time. */
static inline u32 awaits_python(u32 tgid, u64 now)
{
	u32 zero = 0;
	struct python_scratch *s = python_scratch.lookup(&zero);

	if (!s || !pythons.lookup(&tgid))
		return 0;
	s->record.header.time_ns = now;
	return 1;
}

#endif
