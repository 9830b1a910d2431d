/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose process a task is: read at the decision, so it is known of one that has lived for milliseconds, too. */
#ifndef OOMTRACE_WHO_H
#define OOMTRACE_WHO_H

#include "common.h"
#include "names.h"

#define EXE_STEPS 32

/*
 * The path of an executable as its process sees it: from its dentry up, across mounts, to the root of the process
 * (prepend_path, fs/d_path.c).
 */
static inline void fill_exe(struct rec_who *to, u64 task, u64 mm)
{
	u64 file = GET(mm, mm_struct, exe_file), root = AT(GET(task, task_struct, fs), fs_struct, root);
	u64 mnt = GET(AT(file, file, f_path), path, mnt), dentry = GET(AT(file, file, f_path), path, dentry);
	u64 root_mnt = GET(root, path, mnt), root_dentry = GET(root, path, dentry), parent;
	int i;

	to->exe_deleted = to->exe_cut = to->exe_len = to->masked = 0;
	if (!file || !dentry || !HAVE(mount, mnt)) /* fs/ keeps it private: no header has it */
		return;
	to->exe_deleted = !GET(AT(dentry, dentry, d_hash), hlist_bl_node, pprev);
#pragma nounroll
	for (i = 0; i < EXE_STEPS; i++) {
		if (dentry == root_dentry && mnt == root_mnt)
			break;
		parent = GET(dentry, dentry, d_parent);
		if (dentry != GET(mnt, vfsmount, mnt_root) && dentry != parent) {
			add_name(to->exe, &to->exe_len, GET(AT(dentry, dentry, d_name), qstr, name));
			dentry = parent;
			continue;
		}
		parent = GET(mnt - OFF(mount, mnt), mount, mnt_parent);
		if (parent + OFF(mount, mnt) == mnt || !parent) /* the topmost mount, or one that is mounted nowhere */
			break;
		dentry = GET(mnt - OFF(mount, mnt), mount, mnt_mountpoint);
		mnt = parent + OFF(mount, mnt);
	}
	to->exe_cut = i == EXE_STEPS || to->exe_len >= NAMES_ROOM;
}

/* Which of a process's pids is whose: struct pid has one for each namespace from the initial one on. */
static inline void fill_pids(struct rec_who *to, u64 leader)
{
	u64 pid = GET(leader, task_struct, thread_pid);
	int i;

	to->level = GET(pid, pid, level);
#pragma unroll
	for (i = 0; i < PID_LEVELS; i++) {
		to->pids[i] = 0;
		if (i <= to->level)
			to->pids[i] = GET(AT(pid, pid, numbers) + i * SIZEOF(upid), upid, nr);
	}
}

/* The words of the current process: the memory of another cannot be read here. */
static inline void fill_cmdline(struct rec_who *to, u64 mm)
{
	u64 start = GET(mm, mm_struct, arg_start), bytes = GET(mm, mm_struct, arg_end) - start;

	to->cmdline_full_len = bytes;
	to->cmdline_len = 0;
	if (is_set(SETTING_NO_CMDLINE) || mm != GET(bpf_get_current_task(), task_struct, mm))
		return;
	if (bytes > CMDLINE_LEN)
		bytes = CMDLINE_LEN;
	if (bytes && !bpf_probe_read_user(to->cmdline, bytes, (void *)start))
		to->cmdline_len = bytes;
}

static inline void fill_who(struct rec_who *to, u64 task)
{
	u64 leader = GET(task, task_struct, group_leader), parent = GET(leader, task_struct, real_parent);
	u64 parent_leader = GET(parent, task_struct, group_leader), mm = GET(task, task_struct, mm);

	to->tgid = GET(task, task_struct, tgid);
	to->uid = GET(GET(task, task_struct, real_cred), cred, uid);
	COPY(to->comm, leader, task_struct, comm);
	to->start_ns = GET(leader, task_struct, start_time);
	to->start_boot_ns = HAVE(task_struct, start_boottime) ? GET(leader, task_struct, start_boottime) : 0;
	to->parent_tgid = GET(parent, task_struct, tgid);
	to->parent_start_ns = GET(parent_leader, task_struct, start_time);
	COPY(to->parent_comm, parent_leader, task_struct, comm);
	to->loginuid = HAVE(task_struct, loginuid) ? GET(task, task_struct, loginuid) : -1;
	to->sessionid = HAVE(task_struct, sessionid) ? GET(task, task_struct, sessionid) : -1;
	fill_pids(to, leader);
	fill_cmdline(to, mm);
	fill_exe(to, task, mm);
}

#endif
