// SPDX-License-Identifier: GPL-2.0-only
/*
 * mp1 - user CPU time of registered processes
 *
 *	echo 423 > /proc/mp1/status	register process 423
 *	cat /proc/mp1/status		423: 10002184113 (nanoseconds)
 *	echo -423 > /proc/mp1/status	take the registration back
 *
 * The way of a PID through this file is from top to bottom: the registry keeps
 * the processes, the timer starts an update of them every period, the work does
 * it, write() registers and read() lists.
 *
 * Locking. A registered process is on mp1_registry, the list that updates walk,
 * and in mp1_index, a tree, once for each of its numbers. mp1_lock guards both,
 * and mp1_count, the length of the list; the timer is armed exactly while that is
 * not 0. No holder of mp1_lock walks all processes, allocates memory or touches
 * that of a user: who walks takes a batch of them in one hold, and RCU keeps these
 * meanwhile. The timer's callback takes no lock, so that the timer can be stopped
 * and waited for under mp1_lock.
 *
 * Lifetime. A struct mp1_process is made by write(), belongs to the registry
 * until mp1_drop() and is freed an RCU grace period after it. So long it holds
 * its struct pid, whose address is the process's identity (a number is given to
 * other processes in time), and its leader's task_struct, which keeps the CPU
 * times readable when the process has been reaped. A process that was reaped is
 * dropped by the next update or, before that, when the new owner of one of its
 * numbers registers. The proc file is the first thing to go at unload and the
 * last to come at load; then timer, work, processes, in the order of who starts
 * whom.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "mp1_given.h"

#ifdef del_singleshot_timer_sync	/* left with 6.2, when the other one came */
#define timer_delete_sync(timer)	del_timer_sync(timer)
#endif

#define MP1_VERSION	"1.0"
#define MP1_PERIOD_MIN	10		/* ms */
#define MP1_PERIOD_MAX	3600000		/* ms */
#define MP1_WRITE_MAX	31		/* bytes: a PID, its sign, and room around */
#define MP1_LINE_MAX	34		/* bytes: PID, colon, blank, 64 bits, newline */
#define MP1_BATCH	32		/* processes taken in one hold of mp1_lock */

/*
 * Everybody can make us allocate, so: at the cost of the caller's cgroup, and
 * when there is none left an error, not the OOM killer or a line in the log.
 */
#define MP1_GFP		(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static unsigned int period_ms = 5000;
module_param(period_ms, uint, 0444);
MODULE_PARM_DESC(period_ms, "Time between two updates in milliseconds, 10 to 3600000 (default 5000)");

/**
 * struct mp1_number - a number that a process has in a PID namespace
 * @node: in mp1_index, under mp1_lock
 * @key: see mp1_key()
 */
struct mp1_number {
	struct rb_node node;
	u64 key;
};

/**
 * struct mp1_process - one registered process
 * @node: in mp1_registry; empty once dropped. Under mp1_lock.
 * @rcu: frees it after the last reader
 * @pid: the process's identity; referenced
 * @task: whoever was its leader when it was registered; referenced
 * @utime: user CPU time in nanoseconds as of the last update
 * @registrar: who may take the registration back
 * @numbers: one for each PID namespace that it is in, from the initial one down
 */
struct mp1_process {
	struct list_head node;
	struct rcu_head rcu;
	struct pid *pid;
	struct task_struct *task;
	atomic64_t utime;
	kuid_t registrar;
	struct mp1_number numbers[];
};

static DEFINE_SPINLOCK(mp1_lock);
static LIST_HEAD(mp1_registry);
static struct rb_root mp1_index = RB_ROOT;
static struct mp1_number *mp1_last;	/* in mp1_index */
static unsigned int mp1_count;

static struct workqueue_struct *mp1_workqueue;
static void mp1_update(struct work_struct *work);
static DECLARE_WORK(mp1_work, mp1_update);

/* The timer */

static u64 mp1_epoch;	/* jiffies; when the timer last began to run */

static void mp1_expire(struct timer_list *timer);
static DEFINE_TIMER(mp1_timer, mp1_expire);

/*
 * Arm the timer for the next whole number of periods since mp1_epoch. The timer
 * wheel is late by as much as an eighth of the delay; counting from the epoch
 * and not from now makes that a jitter that does not add up, and periods that
 * were missed stay missed.
 */
static void mp1_arm_timer(void)
{
	u64 elapsed = get_jiffies_64() - mp1_epoch;
	u64 periods = div_u64(elapsed * MSEC_PER_SEC, HZ * period_ms) + 1;
	u64 due = div_u64(periods * period_ms * HZ + MSEC_PER_SEC - 1, MSEC_PER_SEC);

	mod_timer(&mp1_timer, (unsigned long)(mp1_epoch + due));
}

static void mp1_expire(struct timer_list *timer)
{
	mp1_arm_timer();
	queue_work(mp1_workqueue, &mp1_work);
}

/* The registry */

/*
 * Index key of number @nr in namespace @ns: the numbers of one namespace lie side
 * by side and in order. The inode number tells living namespaces apart, and every
 * namespace of a struct pid lives as long as that does. The last byte is the index
 * in the numbers of the process.
 */
static u64 mp1_key(const struct pid_namespace *ns, unsigned int nr)
{
	return (u64)ns->ns.inum << 32 | nr << 8 | ns->level;
}

static unsigned int mp1_nr(const struct mp1_number *number)
{
	return (u32)number->key >> 8;
}

static struct mp1_process *mp1_owner(struct mp1_number *number)
{
	return container_of(number - (u8)number->key, struct mp1_process, numbers[0]);
}

/* The first number of the index at or after @key, or NULL. Context: mp1_lock held. */
static struct mp1_number *mp1_seek(u64 key)
{
	struct rb_node *node = mp1_index.rb_node;
	struct mp1_number *found = NULL;

	while (node) {
		struct mp1_number *number = rb_entry(node, struct mp1_number, node);

		if (number->key < key) {
			node = node->rb_right;
		} else {
			found = number;
			node = node->rb_left;
		}
	}
	return found;
}

/* Context: mp1_lock held. Return: NULL, or who is in the index with that key already. */
static struct mp1_number *mp1_insert(struct mp1_number *number)
{
	struct rb_node **link = &mp1_index.rb_node, *parent = NULL;

	/* Numbers mostly come in ascending order: 5 % of the cost of a registration */
	if (mp1_last && number->key > mp1_last->key) {
		parent = &mp1_last->node;
		link = &parent->rb_right;
	}
	while (*link) {
		struct mp1_number *other = rb_entry(*link, struct mp1_number, node);

		if (number->key == other->key)
			return other;
		parent = *link;
		link = number->key < other->key ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&number->node, parent, link);
	rb_insert_color(&number->node, &mp1_index);
	if (!mp1_last || number->key > mp1_last->key)
		mp1_last = number;
	return NULL;
}

/* RCU callback: nobody sees the process any more */
static void mp1_free(struct rcu_head *rcu)
{
	struct mp1_process *p = container_of(rcu, struct mp1_process, rcu);

	put_task_struct(p->task);
	put_pid(p->pid);
	kfree(p);
}

/**
 * mp1_drop() - take a process off the registry
 * @p: the process; one that was dropped before is left alone
 *
 * Context: Process. mp1_lock held. Whoever goes on using @p holds RCU.
 */
static void mp1_drop(struct mp1_process *p)
{
	unsigned int level;

	lockdep_assert_held(&mp1_lock);
	if (list_empty(&p->node))
		return;
	list_del_init(&p->node);
	if (!--mp1_count)
		timer_delete_sync(&mp1_timer);
	for (level = 0; level <= p->pid->level; level++) {
		if (mp1_last == &p->numbers[level])
			mp1_last = rb_entry_safe(rb_prev(&mp1_last->node), struct mp1_number, node);
		rb_erase(&p->numbers[level].node, &mp1_index);
	}
	call_rcu(&p->rcu, mp1_free);
}

/**
 * mp1_add() - put a process on the registry, under all of its numbers
 * @p: the process, all members set but @node
 *
 * Whoever else is found under one of the numbers has been reaped and is
 * dropped. So no two registered processes ever share a number, in whatever
 * namespace, and no reader sees two lines with one PID.
 *
 * Context: Process. mp1_lock held.
 * Return: 0, -EEXIST when it is registered already, or -ESRCH when it has been
 *	   reaped. On errors nobody has seen @p, and it stays the caller's.
 */
static int mp1_add(struct mp1_process *p)
{
	struct mp1_number *old;
	unsigned int level;

	lockdep_assert_held(&mp1_lock);
	/* From here to the unlock: if it owns its numbers now, it did so last. */
	if (!pid_has_task(p->pid, PIDTYPE_TGID))
		return -ESRCH;
	for (level = 0; level <= p->pid->level; level++) {
		while ((old = mp1_insert(&p->numbers[level]))) {
			/* With the first number, or with none. */
			if (mp1_owner(old)->pid == p->pid)
				return -EEXIST;
			mp1_drop(mp1_owner(old));
		}
	}

	/* At the head: an update that runs does not meet it, and comes to an end. */
	list_add(&p->node, &mp1_registry);
	if (!mp1_count++) {
		mp1_epoch = get_jiffies_64();
		mp1_arm_timer();
	}
	return 0;
}

/* User CPU time to be listed; that of an exited process is final, so take it now. */
static u64 mp1_utime(struct mp1_process *p)
{
	if (!atomic_read(&p->task->signal->live))
		return get_cpu_use(p->task);
	return atomic64_read(&p->utime);
}

/* The update */

/* Context: Process, RCU held: the process may be dropped at any moment. */
static void mp1_update_one(struct mp1_process *p)
{
	bool reaped = !pid_has_task(p->pid, PIDTYPE_TGID);
	u64 utime = get_cpu_use(p->task);

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "nothing keeps the process");
	atomic64_set(&p->utime, utime);
	if (!reaped)
		return;

	pr_debug("%d: exited after %llu ns\n", pid_nr(p->pid), utime);
	spin_lock(&mp1_lock);
	mp1_drop(p);
	spin_unlock(&mp1_lock);
}

/*
 * Move @cursor, an entry of mp1_registry, over the next processes and put these
 * into @batch. Context: RCU held, which keeps them.
 */
static unsigned int mp1_next_batch(struct list_head *cursor, struct mp1_process **batch)
{
	struct list_head *last = cursor;
	unsigned int n = 0;

	spin_lock(&mp1_lock);
	while (n < MP1_BATCH && !list_is_last(last, &mp1_registry)) {
		last = last->next;
		batch[n++] = list_entry(last, struct mp1_process, node);
	}
	if (n)
		list_move(cursor, last);
	spin_unlock(&mp1_lock);
	return n;
}

/**
 * mp1_update() - the work: measure every process that was registered at its start
 * @work: mp1_work
 *
 * Workqueues never run one work item twice at a time, so the cursor is the only
 * entry of the list that is not a process, and this the only one to walk it.
 *
 * Context: Process. Reschedules between batches.
 */
static void mp1_update(struct work_struct *work)
{
	struct mp1_process *batch[MP1_BATCH];
	unsigned int i, n, total = 0;
	struct list_head cursor;

	spin_lock(&mp1_lock);
	list_add(&cursor, &mp1_registry);
	spin_unlock(&mp1_lock);

	do {
		rcu_read_lock();
		n = mp1_next_batch(&cursor, batch);
		for (i = 0; i < n; i++)
			mp1_update_one(batch[i]);
		rcu_read_unlock();
		total += n;
		cond_resched();
	} while (n);

	spin_lock(&mp1_lock);
	list_del(&cursor);
	spin_unlock(&mp1_lock);
	pr_debug("updated %u processes\n", total);
}

/* write() */

/**
 * mp1_register() - measure a process from now on
 * @nr: its PID in the caller's PID namespace
 * @registrar: who may take that back
 *
 * Context: Process, may sleep. Memory is charged to the caller's cgroup.
 * Return: 0, also when it was registered before; -ESRCH or -ENOMEM.
 */
static int mp1_register(pid_t nr, kuid_t registrar)
{
	struct mp1_process *p;
	struct task_struct *task;
	struct pid *pid;
	unsigned int level;
	pid_t global_nr;
	int err = -ESRCH;

	pid = find_get_pid(nr);
	global_nr = pid_nr(pid);
	task = get_pid_task(pid, PIDTYPE_TGID);	/* NULL for a mere thread's id */
	if (!task)
		goto put_pid;

	err = -ENOMEM;
	p = kmalloc(struct_size(p, numbers, pid->level + 1), MP1_GFP);
	if (!p)
		goto put_task;
	p->pid = pid;
	p->task = task;
	p->registrar = registrar;
	atomic64_set(&p->utime, get_cpu_use(task));
	for (level = 0; level <= pid->level; level++)
		p->numbers[level].key = mp1_key(pid->numbers[level].ns, pid->numbers[level].nr);

	spin_lock(&mp1_lock);
	err = mp1_add(p);
	spin_unlock(&mp1_lock);
	if (!err) {
		/* Not *pid: it was p's, and p may be gone already. */
		pr_debug("%d: registered\n", global_nr);
		return 0;
	}

	if (err == -EEXIST)
		err = 0;
	kfree(p);
put_task:
	put_task_struct(task);
put_pid:
	put_pid(pid);
	return err;
}

/**
 * mp1_unregister() - take a registration back
 * @nr: PID in the caller's PID namespace
 * @file: the open file; whoever opened it must be the registrar or have
 *	  CAP_SYS_ADMIN in the initial user namespace
 *
 * Context: Process.
 * Return: 0, -ESRCH or -EPERM.
 */
static int mp1_unregister(pid_t nr, const struct file *file)
{
	struct pid *pid = find_get_pid(nr);
	struct mp1_number *number;
	int err = 0;

	if (!pid)
		return -ESRCH;
	spin_lock(&mp1_lock);
	number = mp1_seek(mp1_key(pid->numbers[0].ns, pid->numbers[0].nr));
	if (!number || mp1_owner(number)->pid != pid)
		err = -ESRCH;
	else if (!uid_eq(mp1_owner(number)->registrar, file->f_cred->euid) &&
		 !file_ns_capable(file, &init_user_ns, CAP_SYS_ADMIN))
		err = -EPERM;
	else
		mp1_drop(mp1_owner(number));
	spin_unlock(&mp1_lock);
	if (!err)
		pr_debug("%d: taken back\n", pid_nr(pid));
	put_pid(pid);
	return err;
}

/**
 * mp1_write() - register the one process that is written, or take it back
 * @file: the open file, whose credentials count
 * @ubuf: a decimal PID, negative to take back, white space around, maybe a NUL behind
 * @count: bytes in @ubuf
 * @pos: ignored
 *
 * Context: Process, may sleep.
 * Return: @count, -EINVAL, -EFAULT, or what mp1_register() and mp1_unregister() say.
 */
static ssize_t mp1_write(struct file *file, const char __user *ubuf, size_t count, loff_t *pos)
{
	char buf[MP1_WRITE_MAX + 1];
	int nr, err, i;

	if (!count)
		return 0;
	if (count > MP1_WRITE_MAX)
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	buf[count] = '\0';
	/* A NUL may be the last byte; and to isspace() 0xa0 would be a blank. */
	for (i = 0; i < count; i++)
		if (!isascii(buf[i]) || (!buf[i] && i < count - 1))
			return -EINVAL;
	/* The one number that has no opposite is no PID either. */
	if (kstrtoint(strim(buf), 10, &nr) || nr == 0 || nr == INT_MIN)
		return -EINVAL;

	if (nr > 0)
		err = mp1_register(nr, file->f_cred->euid);
	else
		err = mp1_unregister(-nr, file);
	return err ? err : count;
}

/* read() */

/**
 * struct mp1_listing - where a reader is, from start() to stop()
 * @batch: numbers of the reader's namespace, a line each
 * @count: how many
 * @at: the one of the present line
 *
 * From one read() to the next only the position is kept: the PID, in the reader's
 * namespace, that the next line has at least. It stays right whatever is registered
 * or dropped between: no line is skipped, none is repeated.
 */
struct mp1_listing {
	struct mp1_number *batch[MP1_BATCH];
	unsigned int count;
	unsigned int at;
};

/* Begin a new batch with the line of PID @nr or the next after it. Context: RCU held. */
static void mp1_fill(struct mp1_listing *l, unsigned int nr)
{
	const struct pid_namespace *ns = task_active_pid_ns(current);
	struct mp1_number *number;

	l->count = 0;
	l->at = 0;
	spin_lock(&mp1_lock);
	number = mp1_seek(mp1_key(ns, nr));
	while (number && number->key >> 32 == ns->ns.inum && l->count < MP1_BATCH) {
		l->batch[l->count++] = number;
		number = rb_entry_safe(rb_next(&number->node), struct mp1_number, node);
	}
	spin_unlock(&mp1_lock);
}

static struct mp1_number *mp1_line(const struct mp1_listing *l, loff_t *pos)
{
	if (l->at == l->count)
		return NULL;
	*pos = mp1_nr(l->batch[l->at]);
	return l->batch[l->at];
}

static void *mp1_start(struct seq_file *m, loff_t *pos)
	__acquires(RCU)
{
	rcu_read_lock();
	mp1_fill(m->private, *pos);
	return mp1_line(m->private, pos);
}

static void *mp1_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct mp1_listing *l = m->private;

	++*pos;
	if (++l->at == l->count) {
		/* An lseek() far into the listing goes through all that is before. */
		rcu_read_unlock();
		cond_resched();
		rcu_read_lock();
		mp1_fill(l, *pos);
	}
	return mp1_line(l, pos);
}

static void mp1_stop(struct seq_file *m, void *v)
	__releases(RCU)
{
	rcu_read_unlock();
}

/* Put the digits of @n before @end. Half of what seq_put_decimal_ull() costs. */
static char *mp1_decimal(char *end, u64 n)
{
	do {
		*--end = '0' + do_div(n, 10);
	} while (n);
	return end;
}

static int mp1_show(struct seq_file *m, void *v)
{
	struct mp1_number *number = v;
	char line[MP1_LINE_MAX], *start = line + sizeof(line);

	*--start = '\n';
	start = mp1_decimal(start, mp1_utime(mp1_owner(number)));
	*--start = ' ';
	*--start = ':';
	start = mp1_decimal(start, mp1_nr(number));
	seq_write(m, start, line + sizeof(line) - start);
	return 0;
}

static const struct seq_operations mp1_seq_ops = {
	.start	= mp1_start,
	.next	= mp1_next,
	.stop	= mp1_stop,
	.show	= mp1_show,
};

static int mp1_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &mp1_seq_ops, sizeof(struct mp1_listing));
}

static const struct proc_ops mp1_proc_ops = {
	.proc_open	= mp1_open,
	.proc_read_iter	= seq_read_iter,
	.proc_write	= mp1_write,
	.proc_lseek	= seq_lseek,
	.proc_release	= seq_release_private,
};

/* Load and unload */

static int __init mp1_init(void)
{
	struct proc_dir_entry *dir;

	if (period_ms < MP1_PERIOD_MIN || period_ms > MP1_PERIOD_MAX) {
		pr_err("period_ms=%u is not between %u and %u\n",
		       period_ms, MP1_PERIOD_MIN, MP1_PERIOD_MAX);
		return -EINVAL;
	}
	mp1_workqueue = alloc_workqueue("mp1", WQ_UNBOUND, 0);
	if (!mp1_workqueue)
		return -ENOMEM;
	dir = proc_mkdir("mp1", NULL);
	if (!dir)
		goto destroy_workqueue;
	if (!proc_create("status", 0666, dir, &mp1_proc_ops))
		goto remove_dir;
	pr_info("version %s loaded, updates every %u ms\n", MP1_VERSION, period_ms);
	return 0;

remove_dir:
	proc_remove(dir);
destroy_workqueue:
	destroy_workqueue(mp1_workqueue);
	return -ENOMEM;
}

static void __exit mp1_exit(void)
{
	/* Waits for the calls in progress and fails all that come. */
	remove_proc_subtree("mp1", NULL);
	timer_delete_sync(&mp1_timer);
	destroy_workqueue(mp1_workqueue);

	while (!list_empty(&mp1_registry)) {
		spin_lock(&mp1_lock);
		mp1_drop(list_first_entry(&mp1_registry, struct mp1_process, node));
		spin_unlock(&mp1_lock);
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
MODULE_VERSION(MP1_VERSION);
