/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much CPU time a process has used in user mode
 *
 * The kernel knows the answer, thread_group_cputime_adjusted(), but does not
 * export it to modules. This is the same computation on the same data under the
 * same locks, so that mp1, /proc/PID/stat, getrusage() and wait4() tell one
 * story.
 */
#ifndef MP1_GIVEN_H
#define MP1_GIVEN_H

#include <linux/math64.h>
#include <linux/rculist.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/seqlock.h>

/**
 * struct cpu_use - raw CPU time of a process, all in nanoseconds
 * @utime: sampled by the scheduler tick in user mode
 * @stime: sampled by the scheduler tick in kernel mode
 * @runtime: both together, from the scheduler's own precise clock
 */
struct cpu_use {
	u64 utime;
	u64 stime;
	u64 runtime;
};

/*
 * A counter of another task, which may be running and counting right now. Where
 * one load cannot take 64 bits, a carry between two loads would be 4.3 s: load
 * again until nothing moves.
 */
static inline u64 read_cpu_counter(const u64 *counter)
{
	u64 now = READ_ONCE(*counter), before;

	if (IS_ENABLED(CONFIG_64BIT))
		return now;
	do {
		before = now;
		smp_rmb();	/* two loads of the same, one after the other */
		now = READ_ONCE(*counter);
	} while (now != before);
	return now;
}

/*
 * On a nohz_full CPU the ticks do not count a thread until it enters the kernel,
 * while its runtime goes on. The kernel adds what is missing, in a function that
 * modules may call; it also does the scaling, which does no harm twice.
 */
static inline bool add_tickless_thread(struct task_struct *thread, struct cpu_use *use)
{
#ifdef CONFIG_VIRT_CPU_ACCOUNTING_GEN
	u64 utime, stime;

	if (READ_ONCE(thread->vtime.state) >= VTIME_SYS) {
		task_cputime_adjusted(thread, &utime, &stime);
		use->utime += utime;
		use->stime += stime;
		use->runtime += utime + stime;
		return true;
	}
#endif
	return false;
}

/* The threads that have ended, which the kernel adds to @sig, and those that live. */
static inline void sum_threads(const struct signal_struct *sig, struct cpu_use *use)
{
	struct task_struct *thread;

	use->utime = sig->utime;
	use->stime = sig->stime;
	use->runtime = sig->sum_sched_runtime;
	/* Not for_each_thread(), which since 6.7 may name tasklist_lock. */
	list_for_each_entry_rcu(thread, &sig->thread_head, thread_node) {
		if (add_tickless_thread(thread, use))
			continue;
		use->utime += read_cpu_counter(&thread->utime);
		use->stime += read_cpu_counter(&thread->stime);
		use->runtime += read_cpu_counter(&thread->se.sum_exec_runtime);
	}
}

/*
 * A thread that ends leaves the list and is added to @sig under stats_lock. So
 * that it counts exactly once: a first try without the lock, a second one with.
 */
static inline void sum_cpu_use(struct signal_struct *sig, struct cpu_use *use)
{
	unsigned long flags;
	unsigned int seq;

	rcu_read_lock();
	seq = read_seqbegin(&sig->stats_lock);
	sum_threads(sig, use);
	if (read_seqretry(&sig->stats_lock, seq)) {
		read_seqlock_excl_irqsave(&sig->stats_lock, flags);
		sum_threads(sig, use);
		read_sequnlock_excl_irqrestore(&sig->stats_lock, flags);
	}
	rcu_read_unlock();
}

#ifdef CONFIG_VIRT_CPU_ACCOUNTING_NATIVE
/* These architectures measure user and kernel mode; nothing is to be scaled. */
static inline u64 scale_cpu_use(struct signal_struct *sig, const struct cpu_use *use)
{
	return use->utime;
}
#else
/*
 * Ticks say in which mode a process ran, but only now and then; the runtime is
 * precise, but knows no modes. So split the runtime as the ticks are split.
 *
 * The split can move back although neither time does. sig->prev_cputime is the
 * kernel's record of what it last told anybody, and stops that. We read and
 * write that record as every reader of /proc/PID/stat does: with one of our own
 * mp1 and the kernel would each stay true to what they said, and disagree.
 */
static inline u64 scale_cpu_use(struct signal_struct *sig, const struct cpu_use *use)
{
	struct prev_cputime *prev = &sig->prev_cputime;
	unsigned long flags;
	u64 utime, stime;

	if (IS_ENABLED(CONFIG_64BIT)) {
		/*
		 * Most have not run since: leave the lock alone. A race with who writes
		 * is harmless: whatever half of it is seen, utime is the old or the new.
		 */
		utime = data_race(READ_ONCE(prev->utime));	/* harmless, see above */
		stime = data_race(READ_ONCE(prev->stime));	/* likewise */
		if (utime + stime >= use->runtime)
			return utime;
	}

	raw_spin_lock_irqsave(&prev->lock, flags);
	if (prev->utime + prev->stime < use->runtime) {
		if (!use->stime)
			stime = 0;
		else if (!use->utime)
			stime = use->runtime;
		else
			stime = mul_u64_u64_div_u64(use->stime, use->runtime,
						    use->stime + use->utime);
		/* Both parts may only grow; their sum is the runtime. */
		stime = clamp(stime, prev->stime, use->runtime - prev->utime);
		prev->stime = stime;
		prev->utime = use->runtime - stime;
	}
	utime = prev->utime;
	raw_spin_unlock_irqrestore(&prev->lock, flags);
	return utime;
}
#endif

/**
 * get_cpu_use() - user CPU time of a whole process since it started
 * @task: any thread of the process, or one that was; the caller holds a
 *	  reference, so that it may also have ended and been reaped
 *
 * Counts all threads, those that live and those that have ended. Agrees with
 * utime in /proc/PID/stat and ru_utime of getrusage() and wait4(), and never
 * decreases: not from call to call, nor from any of these to another.
 *
 * Context: Any but NMI. Takes RCU, and, with interrupts off, the process's
 *	    stats_lock (only where threads end meanwhile) and prev_cputime.lock;
 *	    for threads on nohz_full CPUs also what task_cputime_adjusted() takes.
 * Return: User CPU time in nanoseconds.
 */
static inline u64 get_cpu_use(struct task_struct *task)
{
	struct cpu_use use;

	/* An ended thread keeps its ->signal until its last reference goes. */
	sum_cpu_use(task->signal, &use);
	return scale_cpu_use(task->signal, &use);
}

#endif /* MP1_GIVEN_H */
