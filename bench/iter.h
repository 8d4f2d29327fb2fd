/* SPDX-License-Identifier: GPL-2.0-only */
/* What iter.bpf.c passes to rivals.c */
#ifndef ITER_H
#define ITER_H

/**
 * struct thread_time - CPU times of a thread, in ns
 * @tgid: the PID of its process
 * @utime: in user mode, by ticks
 * @stime: in kernel mode, by ticks
 * @runtime: both, precisely
 */
struct thread_time {
	__u64 tgid, utime, stime, runtime;
};

#endif /* ITER_H */
