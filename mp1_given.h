/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User CPU time of a process
 *
 * Modules cannot call thread_group_cputime_adjusted(). This repeats its computation on the
 * same data, so that mp1, /proc/PID/stat and getrusage() agree.
 */
#ifndef MP1_GIVEN_H
#define MP1_GIVEN_H

#include <linux/math64.h>
#include <linux/rculist.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>

/*
 * On a nohz_full CPU no tick accounts a thread's time until the thread enters the kernel.
 * task_cputime_adjusted() adds what is missing. It also splits, as split_runtime() does; splitting
 * again is harmless.
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

/*
 * The time that a thread has run. A 32-bit CPU reads and writes it in halves. (The kernel takes
 * the run queue's lock to read it; modules cannot.) If the low half wraps in between, the result
 * is off by 2^32 ns. A result that is too small does no harm: split_runtime() keeps what was
 * reported before. One that is too large would stay in the kernel's own record. The low half is
 * usually stored first, so reading the high half first can only give a result that is too small,
 * unless the two stores become visible in the other order: the compiler or the CPU may swap them.
 */
static inline u64 thread_runtime(const struct task_struct *thread)
{
#ifdef CONFIG_64BIT
	return READ_ONCE(thread->se.sum_exec_runtime);
#else
	const u32 *half = (const u32 *)&thread->se.sum_exec_runtime;
#ifdef __BIG_ENDIAN
	enum { HIGH, LOW };
#else
	enum { LOW, HIGH };
#endif
	u64 high = READ_ONCE(half[HIGH]);

	smp_rmb();	/* pairs with nothing: the kernel does not order its two stores */
	return high << 32 | READ_ONCE(half[LOW]);
#endif
}

/* Sum up the ended threads, whose times the kernel has added to @sig, and the live ones. */
static inline void sum_threads(const struct signal_struct *sig, struct task_cputime *sum)
{
	struct task_struct *thread;

	sum->utime = sig->utime;
	sum->stime = sig->stime;
	sum->sum_exec_runtime = sig->sum_sched_runtime;
	/*
	 * Not for_each_thread(): since 6.7 it may need tasklist_lock, which is not exported. On 32
	 * bits, utime and stime may tear when their low half wraps, as they do for the kernel.
	 */
	list_for_each_entry_rcu(thread, &sig->thread_head, thread_node) {
		if (add_tickless_thread(thread, sum))
			continue;
		sum->utime += READ_ONCE(thread->utime);
		sum->stime += READ_ONCE(thread->stime);
		sum->sum_exec_runtime += thread_runtime(thread);
	}
}

/*
 * Ticks only sample which mode a process runs in; the runtime is precise, but does not tell
 * the modes apart. So split the runtime in proportion to the ticks. The split can go backwards
 * even when neither input does; prev_cputime, the kernel's record of what it last reported,
 * prevents that. With a record of our own, we would be consistent, but disagree with the kernel.
 */
static inline u64 split_runtime(struct signal_struct *sig, const struct task_cputime *sum)
{
#ifdef CONFIG_VIRT_CPU_ACCOUNTING_NATIVE
	return sum->utime;	/* measured, not sampled */
#else
	struct prev_cputime *prev = &sig->prev_cputime;
	u64 runtime = sum->sum_exec_runtime, utime, stime = 0;
	unsigned long flags;

	if (IS_ENABLED(CONFIG_64BIT)) {	/* Most have not run since the last call. */
		utime = data_race(READ_ONCE(prev->utime));	/* reported last, or about to be */
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
 * @sig: task->signal, which all threads of the process share; valid while the caller holds a
 *	 reference to any of them, even after all have ended and been reaped
 *
 * Counts all threads, live and ended. Agrees with utime in /proc/PID/stat and ru_utime of
 * getrusage(). Never less than this function, that file or that call has returned before.
 *
 * Context: Process or softirq. Enters an RCU section, takes prev_cputime.lock, and takes
 *	    stats_lock if a thread ends meanwhile.
 * Return: User CPU time in nanoseconds.
 */
static inline u64 get_cpu_use(struct signal_struct *sig)
{
	struct task_cputime sum;
	unsigned long flags;
	unsigned int seq;

	rcu_read_lock();
	seq = read_seqbegin(&sig->stats_lock);
	sum_threads(sig, &sum);
	/* Has a thread's time moved to @sig meanwhile? Count it exactly once. */
	if (read_seqretry(&sig->stats_lock, seq)) {
		read_seqlock_excl_irqsave(&sig->stats_lock, flags);
		sum_threads(sig, &sum);
		read_sequnlock_excl_irqrestore(&sig->stats_lock, flags);
	}
	rcu_read_unlock();
	return split_runtime(sig, &sum);
}

/*
 * Has the process been reaped? __exit_signal() takes the last thread off nr_threads right
 * before it detaches the PID, both under stats_lock (kernel/exit.c, 5.10 to 7.3). While this
 * returns false, no other process can have the PID. Once it returns true, get_cpu_use()
 * returns the final time.
 */
static inline bool is_reaped(const struct signal_struct *sig)
{
	return !data_race(READ_ONCE(sig->nr_threads));	/* never rises from 0 */
}

/* Have all threads begun to exit, and all but one added their times to @sig? */
static inline bool has_final_time(const struct signal_struct *sig)
{
	return !atomic_read(&sig->live) &&
	       data_race(READ_ONCE(sig->nr_threads)) <= 1;	/* once live is 0, it only falls */
}

#endif /* MP1_GIVEN_H */
