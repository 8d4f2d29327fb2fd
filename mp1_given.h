/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much CPU time a process has used in user mode
 *
 * The kernel's thread_group_cputime_adjusted(), which modules cannot call, once more: the
 * same computation on the same data, so that mp1, /proc/PID/stat and getrusage() tell one
 * story.
 */
#ifndef MP1_GIVEN_H
#define MP1_GIVEN_H

#include <linux/math64.h>
#include <linux/rculist.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>

/*
 * On a nohz_full CPU no ticks count a thread until it enters the kernel. A function of the
 * kernel's adds what is missing; that it also splits, as below, does no harm.
 */
static inline bool add_tickless_thread(struct task_struct *thread, struct task_cputime *sum)
{
#ifdef CONFIG_VIRT_CPU_ACCOUNTING_GEN
	u64 utime, stime;

	if (READ_ONCE(thread->vtime.state) >= VTIME_SYS) {
		task_cputime_adjusted(thread, &utime, &stime);
		sum->utime += utime;
		sum->stime += stime;
		sum->sum_exec_runtime += utime + stime;
		return true;
	}
#endif
	return false;
}

/* The threads that have ended, which the kernel adds to @sig, and those that live. */
static inline void sum_threads(const struct signal_struct *sig, struct task_cputime *sum)
{
	struct task_struct *thread;

	sum->utime = sig->utime;
	sum->stime = sig->stime;
	sum->sum_exec_runtime = sig->sum_sched_runtime;
	/*
	 * Not for_each_thread(), which since 6.7 may need tasklist_lock, which is not exported.
	 * A 32-bit CPU may read half of an addition, some ns in 4.3 s, as the kernel may.
	 */
	list_for_each_entry_rcu(thread, &sig->thread_head, thread_node) {
		if (add_tickless_thread(thread, sum))
			continue;
		sum->utime += READ_ONCE(thread->utime);
		sum->stime += READ_ONCE(thread->stime);
		sum->sum_exec_runtime += READ_ONCE(thread->se.sum_exec_runtime);
	}
}

/*
 * Ticks say in which mode a process ran, but only now and then; the runtime is precise,
 * but knows no modes. So it is split as the ticks are. The split can move back although
 * neither does; prev_cputime, the kernel's record of what it last told anybody, stops that.
 * With a record of our own, we and the kernel would each be consistent, and disagree.
 */
static inline u64 split_runtime(struct signal_struct *sig, const struct task_cputime *sum)
{
#ifdef CONFIG_VIRT_CPU_ACCOUNTING_NATIVE
	return sum->utime;	/* measured, not sampled */
#else
	struct prev_cputime *prev = &sig->prev_cputime;
	u64 runtime = sum->sum_exec_runtime, utime, stime = 0;
	unsigned long flags;

	if (IS_ENABLED(CONFIG_64BIT)) {	/* Most have not run since. */
		utime = data_race(READ_ONCE(prev->utime));	/* told last, or told next */
		if (utime + data_race(READ_ONCE(prev->stime)) >= runtime)
			return utime;
	}

	raw_spin_lock_irqsave(&prev->lock, flags);
	if (prev->utime + prev->stime < runtime) {
		if (sum->stime)
			stime = !sum->utime ? runtime :
				mul_u64_u64_div_u64(sum->stime, runtime, sum->stime + sum->utime);
		/* Both parts may only grow; their sum is the runtime. */
		prev->stime = clamp(stime, prev->stime, runtime - prev->utime);
		prev->utime = runtime - prev->stime;
	}
	utime = prev->utime;
	raw_spin_unlock_irqrestore(&prev->lock, flags);
	return utime;
#endif
}

/**
 * get_cpu_use() - user CPU time of a whole process since it started
 * @task: any thread of the process, or one that was; the caller holds a reference, so
 *	  that it may also have ended and been reaped
 *
 * Counts all threads, those that live and those that have ended. Agrees with utime in
 * /proc/PID/stat and ru_utime of getrusage(), and never decreases: not from call to call,
 * nor from any of these to another.
 *
 * Context: Process or softirq. Takes RCU, stats_lock (where threads end), prev_cputime.lock.
 * Return: User CPU time in nanoseconds.
 */
static inline u64 get_cpu_use(struct task_struct *task)
{
	struct signal_struct *sig = task->signal;	/* stays as long as @task does */
	struct task_cputime sum;
	unsigned long flags;
	unsigned int seq;

	rcu_read_lock();
	seq = read_seqbegin(&sig->stats_lock);
	sum_threads(sig, &sum);
	/* Has a thread left the list for @sig meanwhile? It must count exactly once. */
	if (read_seqretry(&sig->stats_lock, seq)) {
		read_seqlock_excl_irqsave(&sig->stats_lock, flags);
		sum_threads(sig, &sum);
		read_sequnlock_excl_irqrestore(&sig->stats_lock, flags);
	}
	rcu_read_unlock();
	return split_runtime(sig, &sum);
}

#endif /* MP1_GIVEN_H */
