// SPDX-License-Identifier: GPL-2.0-only
/*
 * mp1 - user CPU time of registered processes
 *
 *	echo 423 > /proc/mp1/status	register process 423
 *	cat /proc/mp1/status		423: 10002184113 (nanoseconds)
 *	echo -423 > /proc/mp1/status	unregister it
 *
 * Locking. mp1_registry lists the registered processes in the order of their PIDs; mp1_index is a
 * tree of the same processes, to find a place in the list. mp1_lock guards both, and their two
 * counters. Only updates, under RCU, and mp1_exit(), when no other code is left, read the list
 * without it. The timer is armed exactly while the list is not empty. Code holding mp1_lock must
 * not allocate or touch user memory, and visits at most MP1_BATCH processes, so no CPU spins long.
 * The timer's callback never takes it, so code that holds it may wait for the callback to end.
 *
 * Lifetime. write() allocates a struct mp1_process. The registry owns it until it is dropped;
 * call_rcu() then frees it, once no code that found it can still use it. It holds its struct pid,
 * which identifies the process (PIDs are reused), and a task_struct, which keeps the CPU times
 * readable after the process has been reaped. They also keep its credentials, namespaces and
 * control group, which count against limits. So the next update drops a reaped process, unless the
 * new owner of its PID is registered first and takes its place. Reaped ones cannot pile up: an
 * update comes early once the registrations since the last one number MP1_MANY and half the list.
 *
 * Unloading. mp1_exit() removes the file, stops the timer, ends the work and drops the processes,
 * in this order: nothing is removed while anything that remains could use it or start it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/rbtree.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "mp1_given.h"

#ifdef del_singleshot_timer_sync	/* before 6.2, and its backports */
#define timer_delete_sync(timer)	del_timer_sync(timer)
#endif

#define MP1_BATCH		32	/* processes visited in one hold of mp1_lock, at most */
#define MP1_MANY		64U	/* an early update takes at least this many registrations */
#define MP1_PERIOD_MIN_MS	10
#define MP1_PERIOD_MAX_MS	3600000
#define MP1_PERIOD_RANGE	__stringify(MP1_PERIOD_MIN_MS) " to " __stringify(MP1_PERIOD_MAX_MS)

static unsigned int period_ms = 5000;
module_param(period_ms, uint, 0444);
MODULE_PARM_DESC(period_ms, "Milliseconds between updates, " MP1_PERIOD_RANGE " (default 5000)");

/**
 * struct mp1_process - one registered process; what updates and listings read comes first
 * @node: in mp1_registry
 * @nr: its PID in the initial namespace, which orders the registry
 * @registrar: the user who may unregister it
 * @sig: what its threads share, and where their CPU times end up; valid while @task is held
 * @utime: user CPU time in nanoseconds as of the last update
 * @pid: the process's identity; referenced
 * @task: its leader when it was registered; referenced
 * @by_nr: in mp1_index; empty once dropped
 * @rcu: frees it once no code that found it can still use it
 */
struct mp1_process {
	struct list_head node;
	pid_t nr;
	kuid_t registrar;
	struct signal_struct *sig;
	atomic64_t utime;
	struct pid *pid;
	struct task_struct *task;
	struct rb_node by_nr;
	struct rcu_head rcu;
};

/**
 * struct mp1_opener - what an open file remembers from one call to the next
 * @shown: processes that a read has visited in this hold of mp1_lock
 * @begun: lines that writes have begun and not ended yet, even those of refused writes
 */
struct mp1_opener {
	unsigned int shown;
	atomic_t begun;
};

static DEFINE_SPINLOCK(mp1_lock);
static LIST_HEAD(mp1_registry);
static struct rb_root mp1_index = RB_ROOT;
static unsigned int mp1_listed;	/* processes in mp1_registry */
static unsigned int mp1_since;	/* registrations since the last update began */

static struct timer_list mp1_timer;
static u64 mp1_epoch;	/* jiffies when the list became non-empty; set while the timer is idle */
static struct workqueue_struct *mp1_workqueue;
static struct work_struct mp1_work;

/*
 * The timer. Its next expiry is a whole number of periods after mp1_epoch. The first level of the
 * timer wheel, for delays below 64 ticks, is one tick late: ask for one tick less. The other levels
 * round up, by as much as an eighth of the delay: counted from now, that would add up to a drift.
 */
static void mp1_arm_timer(void)
{
	u64 elapsed = get_jiffies_64() - mp1_epoch;
	u64 periods = div_u64(elapsed * MSEC_PER_SEC, HZ * period_ms) + 1;
	u64 due = div_u64(periods * period_ms * HZ + MSEC_PER_SEC - 1, MSEC_PER_SEC);

	static_assert((u64)HZ * MP1_PERIOD_MAX_MS <= U32_MAX);
	mod_timer(&mp1_timer, (unsigned long)(mp1_epoch + due - 1));
}

/* Context: Softirq. A period that was missed stays missed. */
static void mp1_expire(struct timer_list *timer)
{
	mp1_arm_timer();
	queue_work(mp1_workqueue, &mp1_work);
}

/* The registered process with PID @nr or, if there is none, with the next higher; or NULL. */
static struct mp1_process *mp1_find(pid_t nr)
{
	struct mp1_process *p, *found = NULL;
	struct rb_node *node = mp1_index.rb_node;

	lockdep_assert_held(&mp1_lock);
	/* Most new processes have the highest PID of all: they need no search. */
	if (node && nr > list_last_entry(&mp1_registry, struct mp1_process, node)->nr)
		return NULL;
	while (node) {
		p = rb_entry(node, struct mp1_process, by_nr);
		if (nr <= p->nr)
			found = p;
		node = nr <= p->nr ? node->rb_left : node->rb_right;
	}
	return found;
}

/* Under mp1_lock or RCU: what follows @p, which may have been dropped in this RCU section. */
static struct mp1_process *mp1_next_to(struct mp1_process *p)
{
	return list_next_or_null_rcu(&mp1_registry, &p->node, struct mp1_process, node);
}

static void mp1_free(struct rcu_head *rcu)
{
	struct mp1_process *p = container_of(rcu, struct mp1_process, rcu);

	put_task_struct(p->task);
	put_pid(p->pid);
	kfree(p);
}

/*
 * Take @p off the registry, if it is still there. The caller may use @p until the end of the
 * RCU section in which it found it. Return: was it still there?
 */
static bool mp1_drop(struct mp1_process *p)
{
	bool listed;

	spin_lock(&mp1_lock);
	listed = !RB_EMPTY_NODE(&p->by_nr);
	if (listed) {
		list_del_rcu(&p->node);
		rb_erase(&p->by_nr, &mp1_index);
		RB_CLEAR_NODE(&p->by_nr);
		mp1_listed--;
		if (list_empty(&mp1_registry))
			timer_delete_sync(&mp1_timer);
		call_rcu(&p->rcu, mp1_free);
	}
	spin_unlock(&mp1_lock);
	return listed;
}

/**
 * mp1_add() - put a process on the registry
 * @p: the process, complete but for its links
 *
 * Return: 0, -EEXIST if it is registered already, or -ESRCH if it has been reaped.
 *	   After an error @p has been seen by no other code, and stays the caller's.
 */
static int mp1_add(struct mp1_process *p)
{
	struct mp1_process *next = mp1_find(p->nr);
	struct rb_node *parent = NULL, **link = &mp1_index.rb_node;

	if (is_reaped(p->sig))
		return -ESRCH;
	if (next && next->pid == p->pid)
		return -EEXIST;
	if (next && next->nr == p->nr) {	/* reaped: @p has its PID now */
		list_replace_rcu(&next->node, &p->node);
		rb_replace_node(&next->by_nr, &p->by_nr, &mp1_index);
		RB_CLEAR_NODE(&next->by_nr);
		call_rcu(&next->rcu, mp1_free);
		return 0;
	}
	if (list_empty(&mp1_registry)) {
		mp1_epoch = get_jiffies_64();
		mp1_arm_timer();
	}
	list_add_tail_rcu(&p->node, next ? &next->node : &mp1_registry);
	/* Of two neighbours in the list, the one deeper in the tree has a free link for @p. */
	if (next && !next->by_nr.rb_left) {
		parent = &next->by_nr;
		link = &parent->rb_left;
	} else if (!list_is_first(&p->node, &mp1_registry)) {
		parent = &list_prev_entry(p, node)->by_nr;
		link = &parent->rb_right;
	}
	rb_link_node(&p->by_nr, parent, link);
	rb_insert_color(&p->by_nr, &mp1_index);
	mp1_listed++;
	return 0;
}

/* write(): register a process. Return: 0, even if it is registered already, or an error. */
static int mp1_register(struct pid *pid, const struct file *file)
{
	struct task_struct *task = get_pid_task(pid, PIDTYPE_TGID);
	struct mp1_process *p;
	int err;

	if (!task)
		return -ESRCH;	/* gone, or a thread that is not the leader */
	/* Any user gets here: charge their cgroup, and fail rather than kill a process or log. */
	p = kmalloc(sizeof(*p), GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!p) {
		put_task_struct(task);
		return -ENOMEM;
	}
	p->nr = pid_nr(pid);
	p->registrar = file->f_cred->euid;
	p->sig = task->signal;
	p->pid = get_pid(pid);
	p->task = task;
	atomic64_set(&p->utime, get_cpu_use(p->sig));
	spin_lock(&mp1_lock);
	err = mp1_add(p);
	if (!err && ++mp1_since >= max(MP1_MANY, mp1_listed / 2))
		queue_work(mp1_workqueue, &mp1_work);
	spin_unlock(&mp1_lock);
	if (err)
		mp1_free(&p->rcu);
	return err == -EEXIST ? 0 : err;
}

/* Unregister a process, as its registrar or with CAP_SYS_ADMIN. Return: 0 or an error. */
static int mp1_unregister(struct pid *pid, const struct file *file)
{
	struct mp1_process *p;
	int err = 0;

	rcu_read_lock();
	spin_lock(&mp1_lock);
	p = mp1_find(pid_nr(pid));
	spin_unlock(&mp1_lock);
	if (!p || p->pid != pid)
		err = -ESRCH;
	else if (!uid_eq(p->registrar, file->f_cred->euid) &&
		 !file_ns_capable(file, &init_user_ns, CAP_SYS_ADMIN))
		err = -EPERM;	/* may write to the audit log: not under mp1_lock */
	else if (!mp1_drop(p))
		err = -ESRCH;	/* another writer was quicker */
	rcu_read_unlock();
	return err;
}

/* Register or unregister the process that @text names. Return: 0 or an error. */
static int mp1_command(const char *text, const struct file *file)
{
	struct pid *pid;
	int nr, err;

	/* INT_MIN has no opposite that could be a PID. */
	if (kstrtoint(text, 10, &nr) || !nr || nr == INT_MIN)
		return -EINVAL;
	pid = find_get_pid(abs(nr));
	if (!pid)
		return -ESRCH;
	err = nr > 0 ? mp1_register(pid, file) : mp1_unregister(pid, file);
	if (!err)
		pr_debug("%d: %s\n", pid_nr(pid), nr > 0 ? "registered" : "unregistered");
	put_pid(pid);
	return err;
}

/**
 * mp1_write() - register or unregister the one process that is written
 * @file: the open file, whose credentials count
 * @ubuf: a PID in the writer's namespace, in decimal, negative to unregister. White space around
 *	  it and one NUL at the end are ignored. Or just white space, if a line has begun: some
 *	  programs write the newline separately.
 * @count: bytes in @ubuf
 * @pos: ignored
 *
 * Programs that share an open file can begin several lines before they end them: count them. A
 * refused line counts as well, or its newline would be taken for that of an accepted one.
 *
 * Return: @count, -EINVAL, -EFAULT, -ESRCH, -EPERM or -ENOMEM.
 */
static ssize_t mp1_write(struct file *file, const char __user *ubuf, size_t count, loff_t *pos)
{
	struct mp1_opener *opener = ((struct seq_file *)file->private_data)->private;
	char buf[32] = "", *text;	/* a PID, its sign, and room around */
	size_t n = min(count, sizeof(buf) - 1), length;
	bool line_ends;
	int err = 0;

	if (!count)
		return 0;
	if (copy_from_user(buf, ubuf + count - n, n))	/* of a longer text, its end */
		return -EFAULT;
	length = strlen(buf);
	line_ends = buf[n - 1 - (n > 1 && !buf[n - 1])] == '\n';
	text = strim(buf);
	if (count > n || length < n - 1)
		err = -EINVAL;	/* too long, or a NUL inside */
	else if (*text)
		err = mp1_command(text, file);
	else if (atomic_dec_if_positive(&opener->begun) < 0)
		return -EINVAL;
	if (!line_ends)
		atomic_inc(&opener->begun);
	return err ? err : count;
}

/**
 * mp1_update() - the work: measure every registered process
 * @work: mp1_work, which the workqueue never runs twice at a time
 *
 * Leaves the RCU section after each batch, or after a process if the CPU is wanted: some have
 * thousands of threads. Goes on after the last PID that it has visited, whatever came or went.
 */
static void mp1_update(struct work_struct *work)
{
	unsigned int n, total = 0;
	struct mp1_process *p;
	pid_t nr = 0;
	bool reaped;

	do {
		rcu_read_lock();
		spin_lock(&mp1_lock);
		if (!nr)
			mp1_since = 0;	/* the walk may miss what comes from here on */
		p = mp1_find(nr);
		spin_unlock(&mp1_lock);
		for (n = 0; p && n < MP1_BATCH && !(n && need_resched()); n++, p = mp1_next_to(p)) {
			RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "nothing keeps the process");
			reaped = is_reaped(p->sig);	/* first: if true, the time is final */
			atomic64_set(&p->utime, get_cpu_use(p->sig));
			nr = p->nr + 1;
			if (reaped && mp1_drop(p))
				pr_debug("%d: exited after %lld ns\n", p->nr,
					 atomic64_read(&p->utime));
		}
		rcu_read_unlock();
		total += n;
		cond_resched();
	} while (p);
	pr_debug("updated %u processes\n", total);
}

/*
 * read(). Between two calls the iterator keeps only its position: the lowest PID, of the initial
 * namespace, that the next line may have. No line is skipped or repeated, whatever comes or goes.
 */
static void *mp1_start(struct seq_file *m, loff_t *pos)
	__acquires(&mp1_lock)
{
	struct mp1_opener *opener = m->private;

	opener->shown = 0;
	spin_lock(&mp1_lock);
	return mp1_find(*pos);
}

static void mp1_stop(struct seq_file *m, void *v)
	__releases(&mp1_lock)
{
	spin_unlock(&mp1_lock);
}

static void *mp1_next(struct seq_file *m, void *v, loff_t *pos)
	__must_hold(&mp1_lock)
{
	struct mp1_opener *opener = m->private;
	struct mp1_process *p = v;

	*pos = p->nr + 1;
	if (++opener->shown < MP1_BATCH)
		return mp1_next_to(p);
	mp1_stop(m, v);
	cond_resched();
	return mp1_start(m, pos);
}

static int mp1_show(struct seq_file *m, void *v)
{
	struct pid_namespace *ns = task_active_pid_ns(current);
	struct mp1_process *p = v;
	pid_t nr = p->nr;

	if (ns != &init_pid_ns) {
		nr = pid_nr_ns(p->pid, ns);
		/* A reaped process's PID may belong to another one here by now. */
		if (!nr || is_reaped(p->sig))
			return SEQ_SKIP;
	}
	seq_put_decimal_ull(m, "", nr);
	seq_put_decimal_ull(m, ": ", has_final_time(p->sig) ? get_cpu_use(p->sig) :
							      atomic64_read(&p->utime));
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations mp1_seq_ops = {
	.start = mp1_start, .next = mp1_next, .stop = mp1_stop, .show = mp1_show,
};

/* Opening to append seeks to the end: that returns 0 for writers, and EINVAL for readers. */
static loff_t mp1_lseek(struct file *file, loff_t offset, int whence)
{
	if (whence == SEEK_END && !offset && file->f_mode & FMODE_WRITE)
		whence = SEEK_SET;
	return no_seek_end_llseek(file, offset, whence);
}

/*
 * Shells read a block, use one line of it, and seek back to the next. If the list has changed,
 * that place may be inside a line of the new text. But the seq_file still has the block: m->from
 * bytes before m->read_pos, and m->count after it. A read that begins in it, and not at 0, returns
 * what is left of it and no more: a refill would overwrite it. Others read the list as it is.
 */
static ssize_t mp1_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct seq_file *m = iocb->ki_filp->private_data;
	size_t n = 0;
	loff_t ahead;

	mutex_lock(&m->lock);
	ahead = iocb->ki_pos - m->read_pos;
	if (iocb->ki_pos && -ahead <= (loff_t)m->from && ahead <= (loff_t)m->count) {
		n = copy_to_iter(m->buf + m->from + ahead, m->count - ahead, to);
		iocb->ki_pos += n;
		m->from += ahead + n;
		m->count -= ahead + n;
		m->read_pos = iocb->ki_pos;
	}
	mutex_unlock(&m->lock);
	return n ? n : seq_read_iter(iocb, to);
}

static int mp1_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &mp1_seq_ops, sizeof(struct mp1_opener));
}

static const struct proc_ops mp1_proc_ops = {
	.proc_open = mp1_open, .proc_release = seq_release_private, .proc_lseek = mp1_lseek,
	.proc_read_iter = mp1_read, .proc_write = mp1_write,
};

static int __init mp1_init(void)
{
	struct proc_dir_entry *dir;

	if (period_ms < MP1_PERIOD_MIN_MS || period_ms > MP1_PERIOD_MAX_MS) {
		pr_err("period_ms=%u is not in the range " MP1_PERIOD_RANGE "\n", period_ms);
		return -EINVAL;
	}
	timer_setup(&mp1_timer, mp1_expire, 0);
	INIT_WORK(&mp1_work, mp1_update);
	mp1_workqueue = alloc_workqueue("mp1", WQ_UNBOUND, 0);
	if (!mp1_workqueue)
		return -ENOMEM;
	dir = proc_mkdir("mp1", NULL);
	if (!dir || !proc_create("status", 0666, dir, &mp1_proc_ops))
		goto undo;
	pr_info("version %s loaded, updates every %u ms\n", THIS_MODULE->version, period_ms);
	return 0;

undo:
	pr_err("cannot create /proc/mp1/status: another module has it, or there is no memory\n");
	proc_remove(dir);	/* NULL is fine */
	destroy_workqueue(mp1_workqueue);
	return -ENOMEM;
}

static void __exit mp1_exit(void)
{
	/* Waits for the calls in progress; later ones fail. */
	remove_proc_subtree("mp1", NULL);
	timer_delete_sync(&mp1_timer);
	destroy_workqueue(mp1_workqueue);
	while (!list_empty(&mp1_registry)) {
		mp1_drop(list_first_entry(&mp1_registry, struct mp1_process, node));
		cond_resched();
	}
	rcu_barrier();	/* mp1_free() is ours */
	pr_info("unloaded\n");
}

module_init(mp1_init);
module_exit(mp1_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mp1 developers");
MODULE_DESCRIPTION("User CPU time, in nanoseconds, of the processes registered in /proc/mp1/status");
MODULE_VERSION("1.0");
