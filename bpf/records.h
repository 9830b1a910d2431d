/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What crosses from the kernel to Python: the single definition of it.
 *
 * oomtrace/wire/layout.py reads this very file, and a capture carries its text along, so that it can be decoded by a
 * later version. Only fixed-size integers, arrays of them and structs defined above are used; the layout is the C one.
 * A signed counter holds what the kernel held; -1 in an unsigned 64-bit field means "this kernel does not track it".
 */
#ifndef OOMTRACE_RECORDS_H
#define OOMTRACE_RECORDS_H

#define COMM_LEN 16
#define NAME_LEN 256
#define MESSAGE_LEN 64
#define NODES_WORDS 16
#define CODE_LEN 64
#define CODE_BEFORE 42
#define MAX_FRAMES 64
#define STACK_PIECE 256
#define MAX_STATE 128
#define MAX_EVENTS 128
#define INDEX_BYTES 768
#define MAX_NODE_STAT 96
#define MAX_ZONE_STAT 24
#define AREAS_BYTES 1536
#define MAX_ZONES 8
#define MAX_HSTATES 4
#define FORMAT_LEN 768
#define PRINT_ARGS 32
#define EFFORT_FRAMES 24
#define CHARGE_SLOTS 8
#define MOMENTS 64
#define NAMES_LEN 768
#define CMDLINE_LEN 512
#define PID_LEVELS 8
#define ARGS_LEN 256
#define USER_WORDS 40
#define USER_PIECE 4096
#define SAMPLE_MEMCGS 8
#define SAMPLE_WORDS 48
#define PYTHON_FRAMES 64
#define NO_SEQ ((u32)-1)
#define NOT_TRACKED ((u64)-1)
#define NOT_SHOWN ((u32)-1)
#define STATS_TEXT_LEN 4096

enum record_kind {
	REC_BEGIN = 1,	     /* out_of_memory entered */
	REC_CANDIDATE = 2,   /* oom_evaluate_task entered */
	REC_CHOSEN = 3,	     /* oom_kill_process entered: the decision; its task follows as REC_VICTIM */
	REC_HEADER = 4,	     /* dump_header entered: the kernel prints this one */
	REC_STACK = 5,	     /* show_stack entered: registers, code, reliable frames */
	REC_STACK_PIECE = 6, /* the raw stack, in pieces */
	REC_COUNTERS = 7,    /* mem_cgroup_print_oom_meminfo entered */
	REC_STATS = 8,	     /* the memcg's statistics, when the kernel has just read them */
	REC_PROTECTION = 9,  /* mem_cgroup_show_protected_memory entered */
	REC_TASK = 10,	     /* dump_task prints the task */
	REC_SUMMARY = 11,    /* mem_cgroup_print_oom_context entered */
	REC_KILL = 12,	     /* __oom_kill_process entered */
	REC_KILLED = 13,     /* mark_oom_victim entered: the moment of the Killed line */
	REC_GROUP = 14,	     /* mem_cgroup_print_oom_group entered */
	REC_DONE = 15,	     /* queue_oom_reaper entered: this kill is over */
	REC_MEMCG = 16,	     /* a memcg on the way from one that matters to the root */
	REC_NO_VICTIM = 17,  /* dump_header entered without a chosen task */
	REC_WAIT = 18,	     /* mem_cgroup_oom_synchronize entered with an OOM pending: v1, OOM killing disabled */
	REC_WAITED = 30,     /* and left again */
	REC_USAGE = 31,	     /* a line of the memcg's usage, as printk gets it */
	REC_VICTIM = 21,     /* the task that was chosen */
	REC_MEMORY = 22,     /* an OOM that is not a memcg's: the machine's counters, when the kernel begins with them */
	REC_NODE = 23,	     /* each online node, and after it … */
	REC_ZONE = 24,	     /* … each of its zones, populated or not */
	REC_FORMAT = 25,     /* a format that the next record is printed with, once an OOM */
	REC_PRINT = 26,	     /* a printk between "Mem-Info:" and the tasks: its arguments */
	REC_CHARGED = 32,    /* what the task before it has charged to its memcg of late */
	REC_EFFORT = 33,     /* what the task that invoked the OOM killer has tried to reclaim before */
	REC_FAILED = 34,     /* a charge fails, and nobody is killed for it */
	REC_RELEASED = 35,   /* exit_mmap of a victim's mm returns: its memory is free */
	REC_REAPED = 36,     /* the line that the oom_reaper prints of a victim */
	REC_SIGNALLED = 37,  /* do_send_sig_info, for a victim and for each other process that shares its mm */
	REC_SUPPRESSED = 38, /* how many reports the rate limit has kept back, as printk gets it */
	REC_FRAME = 39,	     /* where on the stack a return address lies, as the kernel's unwinder finds it */
	REC_KILL_LINE = 40,  /* the "Killed process" line, as printk gets it */
	REC_BADNESS = 41,    /* oom_badness returns: the candidate's points */
	REC_NEAR = 42,	     /* of no OOM: a memcg nears its limit, is new, or the machine begins to reclaim directly */
	REC_HISTORY = 43,    /* how the usage of a memcg with a limit has gone; after its REC_MEMCG */
	REC_WHO = 44,	     /* whose process the trigger or the victim is */
	REC_STATS_TEXT = 49, /* the memcg's statistics as the kernel prints them, where REC_STATS cannot be read in full */
	REC_TRACE_LINE = 48, /* a line of the call trace, as printk gets it: where no scan of the stack makes it */
	REC_USER_STACK = 50, /* where a process is in its own code: its registers … */
	REC_USER_PIECE = 51, /* … and what lies on its stack, in pieces */
	REC_SAMPLE = 52,     /* of no OOM: who charges, and where in its code (--stacks) */
	REC_PYTHON = 53,     /* the functions of Python that the process of the sample of that time runs */
	REC_ALLOCATION = 54, /* a line under "Memory allocations:", as printk gets it */
	REC_SENDER = 60,     /* a signal that ends processes is sent: by whom, and how the machine is */
	REC_SIGNAL = 61,     /* … and to whom */
	REC_THROTTLED = 62,  /* schedule_timeout_killable returns: above memory.high a process has slept for long, so far */
};

struct rec_header {
	u32 kind;
	u32 seq;     /* within the OOM, from 0, without gaps; NO_SEQ: from another task, afterwards */
	u64 oom_id;  /* time_ns of REC_BEGIN */
	u64 time_ns; /* CLOCK_MONOTONIC */
};

enum task_flag {
	TASK_HAS_MM = 1,
	TASK_KTHREAD = 2,
	TASK_INIT = 4,
	TASK_VICTIM = 8,    /* signal->oom_mm is set */
	TASK_OOM_SKIP = 16, /* MMF_OOM_SKIP */
	TASK_IN_VFORK = 32,
	TASK_ORIGIN = 64,   /* signal->oom_flag_origin */
};

struct task_row {
	u64 task;
	u64 memcg;
	u64 mm;
	u64 total_vm;	    /* pages */
	s64 file_pages;
	s64 anon_pages;
	s64 swap_entries;
	s64 shmem_pages;
	u64 pgtables_bytes;
	u32 pid;
	u32 tgid;
	u32 uid;
	s32 oom_score_adj;
	u32 flags;	    /* enum task_flag */
	u32 group_pid;	    /* pid of the thread that has the mm, if another one than asked for */
	char comm[COMM_LEN];
};

struct counter {
	u64 usage; /* pages */
	u64 max;   /* pages */
	u64 failcnt;
};

/* The task in whose hands the OOM is: REC_BEGIN, REC_WAIT, REC_WAITED, REC_FAILED. */
struct rec_begin {
	struct rec_header header;
	u64 waiting_since_ns; /* REC_WAITED alone */
	u64 memcg;
	u64 trigger_memcg;
	u32 pid;
	u32 tgid;
	u32 uid;
	s32 oom_score_adj;
	u32 gfp_mask;
	s32 order;
	char comm[COMM_LEN];
};

/* What oom_control holds at oom_kill_process (REC_CHOSEN) and at dump_header (REC_HEADER, REC_NO_VICTIM). */
struct rec_report {
	struct rec_header header;
	u64 totalpages;
	s64 chosen_points;
	u64 memcg;
	u32 gfp_mask;
	s32 order;
	u32 constraint;
	u32 has_nodemask;
	u64 nodemask[NODES_WORDS];
	s32 dump_tasks; /* vm.oom_dump_tasks; -1: not known */
	u32 unused;
};

struct rec_stack {
	struct rec_header header;
	u64 sp;		/* where the kernel's scan begins */
	u64 stack_top;	/* first address above the stack */
	u32 cpu;
	u32 pid;
	u32 uid;
	u32 frame_bytes; /* of frames that are filled */
	u64 taint;
	u64 kdump;	 /* kexec_crash_image; NOT_TRACKED, as taint: not to be found */
	u32 has_regs;
	s32 code_error;	 /* of reading the code bytes */
	u64 regs[21];	 /* struct pt_regs in its order */
	u64 work_func;	 /* worker->current_func, 0 if this is no worker */
	char workqueue[32];
	char work_desc[32];
	char hardware[128]; /* dump_stack_arch_desc_str */
	u8 code[CODE_LEN];
	u64 frames[MAX_FRAMES];
	u64 fault_ip;	       /* the instruction in the kernel that caused a page fault under all this, 0 if none did */
	s32 fault_code_error;
	u32 unused;
	u8 fault_code[CODE_LEN];
};

struct rec_stack_piece {
	struct rec_header header;
	u64 address;
	u8 bytes[STACK_PIECE];
};

struct rec_memcg {
	struct rec_header header;
	u64 memcg;
	u64 parent;
	struct counter memory;
	struct counter swap;
	struct counter memsw;
	struct counter kmem;
	u64 min; /* pages, as the next four */
	u64 low;
	u64 high;
	u64 children_min_usage;
	u64 children_low_usage;
	u64 events_max;
	u64 events_swap_max;
	u32 on_dfl; /* 1: cgroup v2, 0: cgroup v1 */
	s32 oom_group;
	char name[NAME_LEN];
};

struct rec_stats {
	struct rec_header header;
	u64 memcg;
	u32 state_len;
	u32 events_len;
	/* Bytes an entry of the tables below. 0: this kernel has no such table. NOT_SHOWN: it has one and hides it. */
	u32 state_index_width;
	u32 events_index_width;
	s64 state[MAX_STATE];
	u64 events[MAX_EVENTS];
	u8 state_index[INDEX_BYTES];
	u8 events_index[INDEX_BYTES];
};

struct rec_stats_text {
	struct rec_header header;
	u64 memcg;
	char text[STATS_TEXT_LEN];
};

/* A task, for whatever reason: REC_CANDIDATE, REC_VICTIM, REC_TASK, REC_KILL, REC_KILLED, REC_SIGNALLED. */
struct rec_task {
	struct rec_header header;
	u64 totalpages;
	u64 chosen;	   /* before this one is weighed (REC_CANDIDATE) */
	s64 chosen_points; /* likewise */
	struct task_row row;
	char message[MESSAGE_LEN]; /* REC_KILL alone has it; the others are shorter by it */
};

struct rec_summary {
	struct rec_header header;
	u64 memcg;
	u64 victim_memcg;
	u64 mems_allowed[NODES_WORDS];
	u32 pid;
	u32 uid;
	char comm[COMM_LEN];
	char cpuset[NAME_LEN];
};

/* memory; then swap (cgroup v2) or memory+swap and kmem (v1); a further line on v2 is no usage line */
struct rec_usage {
	struct rec_header header;
	u64 usage_kb;
	u64 limit_kb;
	u64 failcnt;
	u32 line; /* from 0 */
	u32 unused;
};

struct rec_group {
	struct rec_header header;
	u64 memcg;
};

struct rec_frame {
	struct rec_header header;
	u64 address;
};

struct rec_trace_line {
	struct rec_header header;
	u64 address; /* that is named, not one after it */
	u8 source;   /* a letter, or 0: by what the unwinder found it */
	u8 fgraph;   /* likewise: the tracer had replaced it on the stack */
	u8 kretprobe;
	u8 unused[5];
};

struct rec_kill_line {
	struct rec_header header;
	u64 total_vm_kb;
	u64 anon_kb;
	u64 file_kb;
	u64 shmem_kb;
	u64 pgtables_kb;
	u32 pid;
	u32 unused;
};

struct rec_memory {
	struct rec_header header;
	u64 mems_allowed[NODES_WORDS]; /* of the task that invoked the OOM killer */
	s64 node_stat[MAX_NODE_STAT];  /* vm_node_stat */
	s64 zone_stat[MAX_ZONE_STAT];  /* vm_zone_stat */
	s64 free_swap;		       /* pages, as all below */
	s64 total_swap;		       /* -1: no CONFIG_SWAP */
	s64 swapcache;
	s64 swapcache_info[4]; /* added, deleted, found, sought; up to 5.19 */
	s64 poisoned;
	u64 cma;
};

struct hugepages {
	u32 order;
	u32 total;
	u32 free;
	u32 surp;
};

struct rec_node {
	struct rec_header header;
	u32 node;
	u32 has_memory; /* in N_MEMORY */
	s32 kswapd_failures;
	u32 hstates;
	struct hugepages hugepages[MAX_HSTATES];
	s64 stat[MAX_NODE_STAT];
};

struct rec_zone {
	struct rec_header header;
	u32 node;
	u32 zone; /* enum zone_type */
	u64 watermark[3];
	u64 boost;
	u64 reserved_highatomic;
	u64 free_highatomic;
	u64 present;
	u64 managed;
	s64 free_pcp;
	s64 local_pcp;
	s64 lowmem_reserve[MAX_ZONES];
	s64 stat[MAX_ZONE_STAT];
	char name[16];
	u64 reserves;  /* entries of lowmem_reserve */
	u64 free_area; /* where the next was: a list whose next is its own address is empty */
	u8 areas[AREAS_BYTES]; /* zone->free_area: for each order, lists by migrate type and nr_free */
};

struct rec_format {
	struct rec_header header;
	u64 format; /* its address */
	char text[FORMAT_LEN];
};

struct rec_print {
	struct rec_header header;
	u64 format;
	u64 count; /* of the arguments that could be had */
	u64 args[PRINT_ARGS];
	char string[64]; /* what the first argument points at, if it is a string */
};

struct rec_allocation {
	struct rec_header header;
	u64 calls;
	u32 line;
	u32 unused;
	char size[16]; /* as it is printed; empty up to 6.11 */
	char module[64];
	char function[128];
	char file[256];
	s64 bytes; /* what is printed as the size up to 6.11 */
};

struct rec_badness {
	struct rec_header header;
	s64 points; /* LONG_MIN: it must not be chosen */
	u32 pid;
	u32 unused;
};

struct rec_done {
	struct rec_header header;
	u32 pid; /* of the victim */
	u32 unused;
};

struct rec_suppressed {
	struct rec_header header;
	u32 callbacks; /* as the kernel's line calls them: times that the limited code did not run */
	u32 unused;
};

struct rec_charged {
	struct rec_header header;
	u64 memcg;
	u64 pages;
	u64 since_ns; /* when counting began that can be in `pages` */
	u32 tgid;
	u32 pid; /* of its threads, the one that charged last; 0: not known */
	char comm[COMM_LEN];
	u64 slot_pages[CHARGE_SLOTS]; /* the same in slots of 2^30 ns from since_ns on */
};

enum stack_role {
	STACK_TRIGGER = 1, /* of the task that invoked the OOM killer, as it did */
	STACK_VICTIM = 2,  /* of a thread of the victim, as it goes */
};

/* A copy ends where it must: `registers` and `memory` may be cut off, or left out of what is kept. */
struct rec_user_stack {
	struct rec_header header;
	u32 role; /* enum stack_role */
	u32 tgid;
	u32 pid;
	u32 registers_bytes; /* sizeof(struct pt_regs); 0: there are none, as of a kernel thread */
	u64 sp;
	u64 end; /* where the main thread's stack ends and its arguments and environment begin, which are not read; or 0 */
	char comm[COMM_LEN];
	u64 registers[USER_WORDS]; /* struct pt_regs in its order, as it left user space */
};

struct rec_user_piece {
	struct rec_header header;
	u64 address;
	u32 pid;
	u32 length; /* bytes that are filled */
	u8 memory[USER_PIECE];
};

/* Its oom_id is 0. It stands for all pages that the process has charged to the memcg since the sample before. */
struct rec_sample {
	struct rec_header header;
	u64 pages;
	u64 memcgs[SAMPLE_MEMCGS]; /* that of the process, and its ancestors; 0 where there are no more */
	u32 tgid;
	u32 pid;
	u32 registers_bytes; /* as in rec_user_stack */
	u32 length;	     /* bytes of memory that are filled */
	u32 interrupt;	     /* it was charged by an interrupt, and the task is just anyone */
	u32 unused;
	u64 sp;
	u64 end; /* as in rec_user_stack */
	char comm[COMM_LEN];
	u64 kernel[SAMPLE_WORDS]; /* what lies on the kernel's stack, from the charge up: what it is charged for */
	u64 registers[USER_WORDS];
	u8 memory[USER_PIECE];
};

/* A frame of CPython, as it lies in its memory: what its bytes mean depends on the version (python/layout.py). */
struct python_frame {
	u64 code;	 /* the address of the code object, in some versions with tags in the lowest bits */
	u64 instruction; /* and of the instruction in it */
	u8 owner[4];	 /* of the first byte: whose the frame is, or that the interpreter was entered from C there */
	u8 entry[4];	 /* of the first byte: whether it is the first since then */
};

/* Of the same time and pid as its sample. */
struct rec_python {
	struct rec_header header;
	u32 pid;
	u32 count; /* frames that are filled, innermost first */
	struct python_frame running[PYTHON_FRAMES];
};

struct rec_effort {
	struct rec_header header;
	u64 since_ns; /* the first attempt */
	u64 scanned_pages;
	u64 reclaimed_pages;
	u32 attempts;
	u32 suppressed; /* failed charges to the same memcg since the last that was reported (REC_FAILED) */
	u64 frames[EFFORT_FRAMES]; /* of a charge that fails: where it was made */
};

struct rec_released {
	struct rec_header header;
	u64 mm;
	u64 anon_pages; /* that it still had */
	u32 tgid;
	u32 unused;
};

/* Pressure stall information: shares of time as avg10, avg60, avg300 hold them, 2048 a per cent; or NOT_TRACKED. */
struct pressure {
	u64 some[3];
	u64 full[3];
};

enum sender_flag {
	SENDER_EXITING = 1,	/* PF_EXITING */
	SENDER_CGROUP_KILL = 2, /* within a write to cgroup.kill */
	SENDER_KTHREAD = 4,
};

/* The task in whose hands signals are sent: also where the kernel sends them, as then to itself. */
struct rec_sender {
	struct rec_header header;
	u64 memcg;
	u64 ram_pages; /* of the machine, as all below */
	s64 free_pages;
	s64 file_pages; /* on the LRU lists of files */
	s64 slab_reclaimable_pages;
	s64 free_swap_pages;
	s64 total_swap_pages; /* -1: no CONFIG_SWAP */
	struct pressure pressure;
	u32 pid;
	u32 tgid;
	u32 uid;
	u32 parent_tgid;
	u32 flags;	/* enum sender_flag */
	u32 args_bytes; /* of its command line, which may go on; 0: it could not be read */
	char comm[COMM_LEN]; /* of its process */
	char parent_comm[COMM_LEN];
	u8 args[ARGS_LEN];
};

enum signal_from {
	FROM_PROCESS = 0, /* kill(2) and the like */
	FROM_NOINFO = 1,  /* SEND_SIG_NOINFO: the kernel, as for the current task */
	FROM_KERNEL = 2,  /* SEND_SIG_PRIV */
	FROM_FAULT = 3,	  /* the kernel, with a reason in si_code */
};

struct rec_signal {
	struct rec_header header;
	struct task_row row;
	struct pressure pressure; /* of the memcg's cgroup */
	u64 asked_ns;		  /* when SIGTERM was sent to it, 0 if it was not */
	u64 rlimit_cpu_s;	  /* RLIMIT_CPU, the hard one */
	u32 asked_by;		  /* whose SIGTERM: tgid */
	u32 signal;
	s32 code;    /* si_code */
	s32 syscall; /* of seccomp, -1: none */
	u32 sent_from; /* enum signal_from */
	u32 fatal;   /* 0: the process has a handler for it */
	char asked_by_comm[COMM_LEN];
};

struct rec_throttled {
	struct rec_header header; /* oom_id: when its first sleep began */
	u64 memcg;
	u64 slept_ns; /* in this spell, until now */
	u64 sleeps;
	u32 tgid;
	u32 uid;
	char comm[COMM_LEN];
};

struct rec_reaped {
	struct rec_header header;
	u64 anon_kb;
	u64 file_kb;
	u64 shmem_kb;
	u32 pid;
	u32 reaped; /* 0: "unable to reap" */
	char comm[COMM_LEN];
};

enum near_cause {
	NEARS = 0,	  /* it nears its limit, or the machine has begun to reclaim */
	STAYS_NEAR = 1,	  /* it has been near since the last such record */
	FIRST_CHARGED = 2, /* its first batch with a limit: it is about to have processes that may go soon */
};

/* Its oom_id is 0: it belongs to no OOM. */
struct rec_near {
	struct rec_header header;
	u64 memcg; /* 0: the whole machine */
	u64 usage; /* pages, as max */
	u64 max;
	u32 tgid;  /* who charged, or reclaims */
	u32 cause; /* enum near_cause */
	u32 names_len; /* bytes, with the NULs */
	u32 unused;
	char names[NAMES_LEN]; /* of the memcg, its parent, … each with a NUL; the root has none */
};

/* Usage at its highest in a slot of 2^30 ns (seconds) or 2^36 ns (minutes), as far as batches were charged in it. */
struct moment {
	u32 slot; /* of all since boot: time_ns >> 30, or >> 36 */
	u32 pages;
};

struct rec_history {
	struct rec_header header;
	u64 memcg;
	struct moment seconds[MOMENTS]; /* by slot % MOMENTS; what lies further back is left over */
	struct moment minutes[MOMENTS]; /* the last one is not in it while it lasts */
};

struct rec_who {
	struct rec_header header;
	u64 start_ns;	      /* CLOCK_MONOTONIC */
	u64 start_boot_ns;    /* CLOCK_BOOTTIME, as /proc/PID/stat has it; 0: not known */
	u64 parent_start_ns;
	u32 tgid;
	u32 parent_tgid;
	u32 uid;
	u32 loginuid;	      /* -1: none, as sessionid; also where the kernel has no audit */
	u32 sessionid;
	u32 level;	      /* of its pid namespace: 0 is the initial one */
	u32 pids[PID_LEVELS]; /* its tgid in each, from the initial one on */
	u32 exe_deleted;
	u32 exe_cut;	      /* its path has more levels than could be read */
	u32 exe_len;	      /* bytes, with the NULs */
	u32 masked;	      /* words of cmdline that the reader has masked, as they look like secrets */
	u32 cmdline_len;      /* bytes of cmdline, of the trigger's process alone: no other's memory can be read */
	u32 cmdline_full_len; /* how long it is */
	char comm[COMM_LEN];  /* of the process, as of the parent: of its first thread */
	char parent_comm[COMM_LEN];
	char exe[NAMES_LEN];  /* its name, that of its folder, … each with a NUL, up to the root of the process */
	char cmdline[CMDLINE_LEN]; /* words, each with a NUL */
};

#endif
