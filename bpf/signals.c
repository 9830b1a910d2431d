/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who ends processes besides the OOM killer: signals as they are sent, kernel/signal.c. Most signals end nobody, and
 * leave at the first line. Those that one task sends at a time have one id, as an OOM's records have.
 */
#include "common.h"
#include "memcg.h"
#include "pressure.h"
#include "release.h"
#include "task.h"

#define SIGNAL(number) (1u << (number))
#define SIGTERM 15
/* What ends a process without a handler (signal(7)), of the first 31. Which are looked at is said by the settings. */
#define ENDING (SIGNAL(1) | SIGNAL(2) | SIGNAL(3) | SIGNAL(4) | SIGNAL(5) | SIGNAL(6) | SIGNAL(7) | SIGNAL(8) | SIGNAL(9) | \
		SIGNAL(10) | SIGNAL(11) | SIGNAL(12) | SIGNAL(13) | SIGNAL(14) | SIGNAL(15) | SIGNAL(16) | SIGNAL(24) |     \
		SIGNAL(25) | SIGNAL(26) | SIGNAL(27) | SIGNAL(29) | SIGNAL(30) | SIGNAL(31))

#define SEND_SIG_PRIV 1		 /* include/linux/sched/signal.h; SEND_SIG_NOINFO is 0 */
#define SIGNAL_GROUP_EXIT 0x04	 /* include/linux/sched/signal.h */
#define SIGNAL_UNKILLABLE 0x40
#define PF_EXITING 0x04
#define SIG_IGN 1
#define SYS_SECCOMP 1
#define TOGETHER_NS 200000000ULL /* from one signal of a task to the next that counts as the same deed */
#define MOST_A_SECOND 64	 /* deeds that are told of */
#define LEVELS 16		 /* of the victim's memcg and the sender's */

/* Settings, from user space. */
enum kill_setting {
	KILL_SIGNALS, /* a bit for each signal that is looked at, whoever sends it; 0: the trace is not yet ready */
	KILL_NEAR,    /* only where memory is short */
};
BPF_ARRAY(kill_settings, u32, 2);

static inline u32 kill_setting(u32 which)
{
	u32 *found = kill_settings.lookup(&which);

	return found ? *found : 0;
}

/* What a task does in one go. */
struct deed {
	struct oom_state state; /* its id, and how many records it has */
	u64 last_ns;
	u32 signal, fatal; /* of the one in hand */
	u64 of;		   /* the memcg of the first victim */
	u64 memcg, next;   /* submit_ancestors: of which it tells, and of which afterwards */
};
BPF_TABLE("lru_hash", u32, struct deed, deeds, 1024); /* by the task that does it */
BPF_TABLE("lru_hash", u32, u64, cgroup_kills, 256);   /* tasks that write to a cgroup.kill */

/* SIGTERM, by whom it was sent to: SIGKILL may follow much later. */
struct asked {
	u64 time_ns;
	u64 tgid;
	char comm[COMM_LEN];
};
BPF_TABLE("lru_hash", u32, struct asked, asked, 1024);

struct rate {
	u64 slot;
	u64 count;
};
BPF_ARRAY(kill_rate, struct rate, 1);
BPF_ARRAY(kills_unreported, u64, 1);

static inline int may_tell(u64 now)
{
	u32 zero = 0;
	struct rate *rate = kill_rate.lookup(&zero);
	u64 *count = kills_unreported.lookup(&zero);

	if (!rate || !count)
		return 0;
	if (rate->slot != now >> 30) {
		rate->slot = now >> 30;
		rate->count = 0;
	}
	if (rate->count++ < MOST_A_SECOND)
		return 1;
	lock_xadd(count, 1);
	return 0;
}

/*
 * Which task's memory was not short a moment ago: one that takes many signals is not looked at for each. A word holds
 * the task, whose address has ones above bit 55 and zeros below bit 6, and when: 14 bits of 17 ms each.
 */
BPF_ARRAY(calm, u64, 64);

static inline u64 calm_word(u64 task, u64 now)
{
	return task << 8 | (now >> 24 & 0x3fff);
}

static inline u64 *calm_of(u64 task)
{
	u32 slot = (task >> 6 ^ task >> 13) & 63;

	return calm.lookup(&slot);
}

static inline u32 from(u64 info)
{
	if (info <= SEND_SIG_PRIV)
		return info ? FROM_KERNEL : FROM_NOINFO;
	return (s32)GET(info, kernel_siginfo, si_code) > 0 ? FROM_FAULT : FROM_PROCESS;
}

/* Whose memory killers are: told of whatever is near. By the first eight letters of their names, and what follows. */
static inline int kills_for_memory(u64 task)
{
	u64 name[2] = {};

	bpf_probe_read_kernel(name, sizeof(name), (void *)AT(task, task_struct, comm));
	return (name[0] == 0x2d646d6574737973ULL && (u32)name[1] == 0x646d6f6f) || /* systemd-oomd */
	       (name[0] == 0x6d6f6f796c726165ULL && !(u8)name[1]) ||		   /* earlyoom */
	       name[0] == 0x676e61686f6eULL || name[0] == 0x646d6f6fULL;	   /* nohang, oomd */
}

/* sighand->action[sig - 1].sa.sa_handler: the first member where the kernel has BTF. */
static inline u64 handler_of(u64 task, u32 sig)
{
	return PEEK(u64, AT(GET(task, task_struct, sighand), sighand_struct, action) + (sig - 1) * SIZEOF(k_sigaction));
}

/*
 * The deed that this task is at, or a new one; 0 if too many have been told of. Another signal is another deed. So is,
 * of the machine's init, another unit: it may stop many at a time.
 */
static inline struct deed *get_deed(u64 now, u32 sig, u64 memcg)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct deed fresh = {}, *found = deeds.lookup(&tid);

	if (found && now - found->last_ns < TOGETHER_NS && found->signal == sig && (tid != 1 || found->of == memcg)) {
		found->last_ns = now;
		return found;
	}
	if (!may_tell(now))
		return 0;
	fresh.state.oom_id = fresh.last_ns = now;
	fresh.of = memcg;
	deeds.update(&tid, &fresh);
	return deeds.lookup(&tid);
}

/* As much of the command line as is in memory. The arguments are one after the other, each with a 0 at its end. */
static inline void fill_args(struct rec_sender *to, u64 task)
{
	u64 mm = GET(task, task_struct, mm), start, bytes;
	u32 zero = 0, *hidden = settings.lookup(&zero);

	to->args_bytes = 0;
	if (!mm || !hidden || *hidden & SETTING_NO_CMDLINE)
		return;
	start = GET(mm, mm_struct, arg_start);
	bytes = GET(mm, mm_struct, arg_end) - start;
	if (bytes > ARGS_LEN)
		bytes = ARGS_LEN;
	if (!bpf_probe_read_user(to->args, bytes, (void *)start))
		to->args_bytes = bytes;
}

static inline void fill_machine(struct rec_sender *to)
{
	to->ram_pages = PEEK(u64, KSYM(_totalram_pages));
	to->free_pages = PEEK(s64, KSYM(vm_zone_stat) + 8 * ENUM(NR_FREE_PAGES));
	to->file_pages = machine_node_stat(ENUM(NR_ACTIVE_FILE)) + machine_node_stat(ENUM(NR_INACTIVE_FILE));
	to->slab_reclaimable_pages = machine_node_stat(ENUM(NR_SLAB_RECLAIMABLE_B));
	to->free_swap_pages = to->total_swap_pages = NOT_TRACKED;
	if (HAVE_KSYM(total_swap_pages) && HAVE_KSYM(nr_swap_pages)) {
		to->free_swap_pages = PEEK(s64, KSYM(nr_swap_pages));
		to->total_swap_pages = PEEK(s64, KSYM(total_swap_pages));
	}
	fill_pressure(&to->pressure, machine_psi());
}

static inline void submit_sender(struct pt_regs *ctx, struct oom_state *state, u64 memcg)
{
	u64 task = bpf_get_current_task(), leader = GET(task, task_struct, group_leader);
	u64 parent = GET(leader, task_struct, real_parent), task_flags = GET(task, task_struct, flags);
	u32 tid = bpf_get_current_pid_tgid();
	union scratch *s = get_scratch();

	if (!s)
		return;
	s->sender.memcg = memcg;
	s->sender.pid = tid;
	s->sender.tgid = bpf_get_current_pid_tgid() >> 32;
	s->sender.uid = GET(GET(task, task_struct, real_cred), cred, euid);
	s->sender.parent_tgid = GET(parent, task_struct, tgid);
	s->sender.flags = (task_flags & PF_EXITING ? SENDER_EXITING : 0) | (task_flags & PF_KTHREAD ? SENDER_KTHREAD : 0) |
			  (cgroup_kills.lookup(&tid) ? SENDER_CGROUP_KILL : 0);
	COPY(s->sender.comm, leader, task_struct, comm);
	COPY(s->sender.parent_comm, parent, task_struct, comm);
	fill_machine(&s->sender);
	fill_args(&s->sender, task);
	stamp(&s->sender.header, state, REC_SENDER);
	records.perf_submit(ctx, &s->sender, sizeof(s->sender));
}

/* The memcg and its ancestors, each once a deed; then the same for another one. */
static inline void submit_ancestors(struct pt_regs *ctx, struct deed *deed, u64 memcg, u64 next)
{
	u64 id = deed->state.oom_id;
	int i;

	deed->state.kind = REC_MEMCG;
	deed->memcg = memcg;
	deed->next = next;
#pragma nounroll
	for (i = 0; i < LEVELS; i++) {
		u64 key = *(volatile u64 *)&deed->memcg, *sent = seen.lookup(&key);

		if (!key || (sent && *sent == id)) {
			deed->memcg = *(volatile u64 *)&deed->next;
			deed->next = 0;
			if (!deed->memcg)
				return;
			continue;
		}
		submit_memcg(ctx, &deed->state, key);
		seen.update(&key, &id);
		deed->memcg = memcg_parent(key);
	}
}

static inline void fill_asked(struct rec_signal *to, u32 tgid)
{
	struct asked *before = asked.lookup(&tgid);

	to->asked_ns = to->asked_by = 0;
	__builtin_memset(to->asked_by_comm, 0, COMM_LEN);
	if (!before || to->signal == SIGTERM)
		return;
	to->asked_ns = before->time_ns;
	to->asked_by = before->tgid;
	__builtin_memcpy(to->asked_by_comm, before->comm, COMM_LEN);
}

static inline void remember_asked(u64 now, u32 tgid)
{
	u64 leader = GET(bpf_get_current_task(), task_struct, group_leader);
	struct asked by = {.time_ns = now, .tgid = bpf_get_current_pid_tgid() >> 32};

	COPY(by.comm, leader, task_struct, comm);
	asked.update(&tgid, &by);
}

/* Tell when its memory is free; that of an OOM's victim is told of as the OOM's. */
static inline void watch_end(struct oom_state *state, struct task_row *row)
{
	if (!(row->flags & TASK_VICTIM))
		watch_release(state, row);
}

/* What is sent to a process that it ends or, with SIGTERM, asks to end. */
static inline void tell(struct pt_regs *ctx, u32 sig, u64 info, u64 leader, u64 memcg, u32 fatal)
{
	u64 now = bpf_ktime_get_ns(), sender_memcg = task_memcg(bpf_get_current_task());
	struct deed *deed = get_deed(now, sig, memcg);
	union scratch *s = get_scratch();
	u32 tgid;

	if (!deed || !s)
		return;
	/* Read back from there they are any number to the verifier, which else follows what is below for each of them. */
	deed->signal = sig;
	deed->fatal = fatal;
	sig = *(volatile u32 *)&deed->signal;
	if (!deed->state.seq)
		submit_sender(ctx, &deed->state, sender_memcg);
	fill_task(&s->signal.row, leader);
	s->signal.signal = sig;
	s->signal.sent_from = from(info);
	s->signal.fatal = *(volatile u32 *)&deed->fatal;
	s->signal.code = s->signal.sent_from >= FROM_FAULT || s->signal.sent_from == FROM_PROCESS ? GET(info, kernel_siginfo, si_code) : 0;
	s->signal.syscall = -1;
	if (s->signal.sent_from == FROM_FAULT && sig == 31 && s->signal.code == SYS_SECCOMP) /* _sifields._sigsys._syscall */
		s->signal.syscall = PEEK(s32, AT(info, kernel_siginfo, _sifields) + 8);
	/* signal->rlim[RLIMIT_CPU].rlim_max: RLIMIT_CPU is 0 */
	s->signal.rlimit_cpu_s = PEEK(u64, AT(GET(leader, task_struct, signal), signal_struct, rlim) + 8);
	fill_pressure(&s->signal.pressure, memcg_psi(memcg));
	tgid = s->signal.row.tgid;
	fill_asked(&s->signal, tgid);
	stamp(&s->signal.header, &deed->state, REC_SIGNAL);
	records.perf_submit(ctx, &s->signal, sizeof(s->signal));
	watch_end(&deed->state, &s->signal.row);
	if (sig == SIGTERM)
		remember_asked(now, tgid);
	submit_ancestors(ctx, deed, memcg, sender_memcg);
	if (*(volatile u32 *)&deed->fatal)
		ring(ctx, 0);
}

/*
 * send_signal_locked(sig, info, t, type) (5.18+; before that send_signal): each signal that is sent. The OOM killer's own
 * are told of as a part of the OOM. Most signals leave at once: a probe costs 400 instructions, a read forty.
 */
int send_signal(struct pt_regs *ctx)
{
	u32 sig = PT_REGS_PARM1(ctx), fatal, kind, near;
	u64 info = PT_REGS_PARM2(ctx), task = PT_REGS_PARM3(ctx), now, leader, signal, flags, memcg, handler = 0;
	u64 *was_calm = 0;

	if (sig > 31 || !(ENDING >> sig & 1))
		return 0;
	if (tell_of_oom(ctx, sig, info, task) || !(kill_setting(KILL_SIGNALS) >> sig & 1))
		return 0;
	near = kill_setting(KILL_NEAR);
	now = bpf_ktime_get_ns();
	if (near && sig != SIGKILL) {
		was_calm = calm_of(task);
		if (was_calm && *was_calm == calm_word(task, now))
			return 0;
	}
	leader = GET(task, task_struct, group_leader);
	signal = GET(leader, task_struct, signal);
	flags = GET(signal, signal_struct, flags);
	if (flags & SIGNAL_GROUP_EXIT || GET(leader, task_struct, flags) & PF_KTHREAD)
		return 0;
	kind = from(info);
	if (sig != SIGKILL) {
		handler = handler_of(leader, sig);
		if (handler == SIG_IGN || (!handler && flags & SIGNAL_UNKILLABLE && kind != FROM_FAULT)) {
			if (sig == SIGTERM) /* SIGKILL may follow */
				remember_asked(now, GET(leader, task_struct, tgid));
			return 0;
		}
	}
	fatal = !handler;
	if (!fatal && sig != SIGTERM)
		return 0;
	memcg = task_memcg(leader);
	if (near && !memcg_is_short(memcg) && !machine_is_short() &&
	    !kills_for_memory(GET(bpf_get_current_task(), task_struct, group_leader))) {
		if (was_calm)
			*was_calm = calm_word(task, now);
		return 0;
	}
	tell(ctx, sig, info, leader, memcg, fatal);
	return 0;
}

/* cgroup_kill_write(of, buf, nbytes, off): it sends SIGKILL to all that is in the cgroup (5.14+, 661ee6280931). */
int cgroup_kill_write(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	cgroup_kills.update(&tid, &now);
	return 0;
}

int cgroup_kill_write_return(struct pt_regs *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();

	cgroup_kills.delete(&tid);
	return 0;
}
