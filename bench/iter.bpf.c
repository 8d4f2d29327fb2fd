// SPDX-License-Identifier: GPL-2.0-only
/* iter.bpf.c - a BPF task iterator that outputs each thread's CPU times */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "iter.h"

/* The members of kernel structures that are used here; BTF supplies their offsets. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct signal_struct {
	__u64 utime, stime;
	unsigned long long sum_sched_runtime;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct task_struct {
	int pid, tgid;
	__u64 utime, stime;
	struct sched_entity se;
	struct signal_struct *signal;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};
#pragma clang attribute pop

SEC("iter/task")
int dump(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread_time time;

	if (!task)
		return 0;
	time.tgid = task->tgid;
	time.utime = task->utime;
	time.stime = task->stime;
	time.runtime = task->se.sum_exec_runtime;
	if (task->pid == task->tgid) {	/* add the threads that have ended */
		time.utime += task->signal->utime;
		time.stime += task->signal->stime;
		time.runtime += task->signal->sum_sched_runtime;
	}
	bpf_seq_write(ctx->meta->seq, &time, sizeof(time));
	return 0;
}

char _license[] SEC("license") = "GPL";
