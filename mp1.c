// SPDX-License-Identifier: GPL-2.0-only
/*
 * mp1 - user CPU time of registered processes
 *
 *	echo 423 > /proc/mp1/status	register process 423
 *	cat /proc/mp1/status		423: 10002184113 (nanoseconds)
 *	echo -423 > /proc/mp1/status	take the registration back
 *
 * From top to bottom: the registry, write(), the timer, the work, read(), load and unload.
 *
 * Locking. A registered process is in mp1_index, a tree in the order of PIDs, and on
 * mp1_registry, the list that updates walk, or on the list of an update that runs. mp1_lock
 * guards these; the timer is armed exactly while the index is not empty. Who holds mp1_lock
 * allocates nothing, touches no user's memory, and goes over MP1_BATCH processes at most, so
 * that nobody waits for long. The timer's callback takes no lock of ours: it can be stopped
 * and waited for under mp1_lock.
 *
 * Lifetime. A struct mp1_process is made by write(), belongs to the registry until it is
 * dropped, and is freed an RCU grace period later, for an update may be at it. It holds
 * its struct pid, which identifies the process (a number is given to others in time), and
 * a task_struct, which keeps the CPU times readable when the process has been reaped. Who
 * was reaped is dropped by the next update or, before that, when the new owner of its PID
 * registers. The proc file is the last thing to come at load and the first to go at
 * unload; then go timer, work and processes, in the order of who starts whom.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
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

#define MP1_BATCH	32	/* processes gone over in one hold of mp1_lock, at most */

static unsigned int period_ms = 5000;
module_param(period_ms, uint, 0444);
MODULE_PARM_DESC(period_ms, "Time between two updates in milliseconds, 10 to 3600000 (default 5000)");

/**
 * struct mp1_process - one registered process
 * @node: in mp1_registry or the list of an update; empty once dropped
 * @by_nr: in mp1_index
 * @rcu: frees it after the last update that may be at it
 * @pid: the process's identity; referenced
 * @task: its leader when it was registered; referenced
 * @utime: user CPU time in nanoseconds as of the last update
 * @registrar: who may take the registration back
 */
struct mp1_process {
	struct list_head node;
	struct rb_node by_nr;
	struct rcu_head rcu;
	struct pid *pid;
	struct task_struct *task;
	atomic64_t utime;
	kuid_t registrar;
};

static DEFINE_SPINLOCK(mp1_lock);
static LIST_HEAD(mp1_registry);
static struct rb_root_cached mp1_index = RB_ROOT_CACHED;

static struct timer_list mp1_timer;
static void mp1_arm_timer(void);
static u64 mp1_epoch;	/* jiffies; when the timer last began to run. Set while it is idle. */
static struct workqueue_struct *mp1_workqueue;
static struct work_struct mp1_work;
static unsigned int mp1_shown;	/* processes that read() went over in this hold of mp1_lock */

/* The registry. Who calls mp1_find(), mp1_drop() or mp1_add() holds mp1_lock. */

static struct mp1_process *mp1_entry(struct rb_node *node)
{
	return rb_entry_safe(node, struct mp1_process, by_nr);
}

/*
 * The link at which PID @nr, of the initial namespace, hangs in the index; or an empty one,
 * below its neighbour @parent. PIDs fall from left to right, the next higher is rb_prev():
 * new ones mostly are the highest, and the leftmost node needs no search.
 */
static struct rb_node **mp1_find(pid_t nr, struct rb_node **parent)
{
	struct rb_node **link = &mp1_index.rb_root.rb_node;

	lockdep_assert_held(&mp1_lock);
	*parent = rb_first_cached(&mp1_index);
	if (*parent && nr > pid_nr(mp1_entry(*parent)->pid))
		return &(*parent)->rb_left;
	*parent = NULL;
	while (*link && nr != pid_nr(mp1_entry(*link)->pid)) {
		*parent = *link;
		link = nr > pid_nr(mp1_entry(*link)->pid) ? &(*link)->rb_left : &(*link)->rb_right;
	}
	return link;
}

/* RCU callback, when nobody sees the process any more; or nobody ever has. */
static void mp1_free(struct rcu_head *rcu)
{
	struct mp1_process *p = container_of(rcu, struct mp1_process, rcu);

	put_task_struct(p->task);
	put_pid(p->pid);
	kfree(p);
}

/* Take @p off the registry, if it still is there. Who goes on using it holds RCU. */
static void mp1_drop(struct mp1_process *p)
{
	lockdep_assert_held(&mp1_lock);
	if (list_empty(&p->node))
		return;
	list_del_init(&p->node);
	rb_erase_cached(&p->by_nr, &mp1_index);
	if (RB_EMPTY_ROOT(&mp1_index.rb_root))
		timer_delete_sync(&mp1_timer);
	call_rcu(&p->rcu, mp1_free);
}

/**
 * mp1_add() - put a process on the registry
 * @p: the process, with pid, task, utime and registrar
 *
 * Return: 0, -EEXIST when it is registered already, or -ESRCH when it has been reaped.
 *	   On errors nobody has seen @p, and it stays the caller's.
 */
static int mp1_add(struct mp1_process *p)
{
	struct rb_node *parent, *highest = rb_first_cached(&mp1_index);
	struct rb_node **link = mp1_find(pid_nr(p->pid), &parent);
	struct mp1_process *old = mp1_entry(*link);

	if (!pid_has_task(p->pid, PIDTYPE_TGID))
		return -ESRCH;
	if (old && old->pid == p->pid)
		return -EEXIST;
	if (old) {	/* It was reaped, or its PID would not be p's now: p takes its place. */
		rb_replace_node_cached(&old->by_nr, &p->by_nr, &mp1_index);
		list_replace_init(&old->node, &p->node);
		call_rcu(&old->rcu, mp1_free);
		return 0;
	}
	if (!highest) {
		mp1_epoch = get_jiffies_64();
		mp1_arm_timer();
	}
	rb_link_node(&p->by_nr, parent, link);
	rb_insert_color_cached(&p->by_nr, &mp1_index, !highest || link == &highest->rb_left);
	list_add(&p->node, &mp1_registry);
	return 0;
}

/* write(): measure a process from now on. Return: 0, also when that is done, or an error. */
static int mp1_register(struct pid *pid, const struct file *file)
{
	struct task_struct *task = get_pid_task(pid, PIDTYPE_TGID);
	struct mp1_process *p;
	int err;

	if (!task)
		return -ESRCH;	/* it has gone, or is a mere thread */
	/* Everybody gets here: charge their cgroup; fail rather than kill a process or log it. */
	p = kmalloc(sizeof(*p), GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!p) {
		put_task_struct(task);
		return -ENOMEM;
	}
	p->pid = get_pid(pid);
	p->task = task;
	p->registrar = file->f_cred->euid;
	atomic64_set(&p->utime, get_cpu_use(task));
	spin_lock(&mp1_lock);
	err = mp1_add(p);
	spin_unlock(&mp1_lock);
	if (err)
		mp1_free(&p->rcu);
	return err == -EEXIST ? 0 : err;
}

/* Take a registration back, as its registrar or with CAP_SYS_ADMIN. Return: 0 or an error. */
static int mp1_unregister(struct pid *pid, const struct file *file)
{
	struct mp1_process *p;
	struct rb_node *parent;
	int err = 0;

	rcu_read_lock();
	spin_lock(&mp1_lock);
	p = mp1_entry(*mp1_find(pid_nr(pid), &parent));
	spin_unlock(&mp1_lock);
	if (!p || p->pid != pid) {
		err = -ESRCH;
	} else if (!uid_eq(p->registrar, file->f_cred->euid) &&
		   !file_ns_capable(file, &init_user_ns, CAP_SYS_ADMIN)) {
		err = -EPERM;	/* and maybe a line in the audit log: not under mp1_lock */
	} else {
		spin_lock(&mp1_lock);
		mp1_drop(p);
		spin_unlock(&mp1_lock);
	}
	rcu_read_unlock();
	return err;
}

/**
 * mp1_write() - register the one process that is written, or take it back
 * @file: the open file, whose credentials count
 * @ubuf: a PID in the caller's namespace, in decimal, negative to take back; white space
 *	  around it and a NUL at the end do no harm
 * @count: bytes in @ubuf
 * @pos: ignored
 *
 * Return: @count, -EINVAL, -EFAULT, -ESRCH, -EPERM or -ENOMEM.
 */
static ssize_t mp1_write(struct file *file, const char __user *ubuf, size_t count, loff_t *pos)
{
	char buf[32];	/* a PID, its sign, and room around */
	struct pid *pid;
	int nr, err;

	if (!count)
		return 0;
	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	buf[count] = '\0';
	/* The one number that has no opposite is no PID either. */
	if (memchr(buf, '\0', count - 1) || kstrtoint(strim(buf), 10, &nr) || !nr || nr == INT_MIN)
		return -EINVAL;

	pid = find_get_pid(abs(nr));
	if (!pid)
		return -ESRCH;
	err = nr > 0 ? mp1_register(pid, file) : mp1_unregister(pid, file);
	if (!err)
		pr_debug("%d: %s\n", pid_nr(pid), nr > 0 ? "registered" : "taken back");
	put_pid(pid);
	return err ? err : count;
}

/*
 * The timer. Its next expiry is a whole number of periods after mp1_epoch. The timer wheel
 * may be late by an eighth of the delay: counted from now, that would add up to a drift.
 */
static void mp1_arm_timer(void)
{
	u64 elapsed = get_jiffies_64() - mp1_epoch;
	u64 periods = div_u64(elapsed * MSEC_PER_SEC, HZ * period_ms) + 1;
	u64 due = div_u64(periods * period_ms * HZ + MSEC_PER_SEC - 1, MSEC_PER_SEC);

	mod_timer(&mp1_timer, (unsigned long)(mp1_epoch + due));
}

/* Context: Softirq. Periods that were missed stay missed. */
static void mp1_expire(struct timer_list *timer)
{
	mp1_arm_timer();
	queue_work(mp1_workqueue, &mp1_work);
}

/* The work. The process may be dropped at any moment; RCU keeps it. */
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

/**
 * mp1_update() - measure every process that was registered when it began
 * @work: mp1_work, which the workqueue never runs twice at a time
 *
 * All move to a list of the update's own, and from there back, a batch in one hold of
 * mp1_lock. RCU keeps the batch while it is measured without the lock.
 */
static void mp1_update(struct work_struct *work)
{
	struct mp1_process *batch[MP1_BATCH];
	unsigned int i, n, total = 0;
	struct list_head *end, done;
	LIST_HEAD(todo);

	spin_lock(&mp1_lock);
	list_splice_init(&mp1_registry, &todo);
	while (!list_empty(&todo)) {
		n = 0;
		list_for_each(end, &todo) {
			if (n == MP1_BATCH)
				break;
			batch[n++] = list_entry(end, struct mp1_process, node);
		}
		list_cut_before(&done, &todo, end);
		list_splice(&done, &mp1_registry);
		rcu_read_lock();
		spin_unlock(&mp1_lock);
		for (i = 0; i < n; i++)
			mp1_update_one(batch[i]);
		rcu_read_unlock();
		total += n;
		cond_resched();
		spin_lock(&mp1_lock);
	}
	spin_unlock(&mp1_lock);
	pr_debug("updated %u processes\n", total);
}

/*
 * read(). Between two calls only the position is kept: the PID, of the initial namespace,
 * that the next line has at least. Whoever comes or goes, no line is skipped or repeated.
 */
static void *mp1_start(struct seq_file *m, loff_t *pos)
	__acquires(&mp1_lock)
{
	struct rb_node *node, *parent;

	spin_lock(&mp1_lock);
	mp1_shown = 0;
	m->private = task_active_pid_ns(current);	/* stays as long as this call */
	node = *mp1_find(*pos, &parent);
	if (!node && parent)
		node = pid_nr(mp1_entry(parent)->pid) > *pos ? parent : rb_prev(parent);
	return mp1_entry(node);
}

static void mp1_stop(struct seq_file *m, void *v)
	__releases(&mp1_lock)
{
	spin_unlock(&mp1_lock);
}

static void *mp1_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct mp1_process *p = v;

	*pos = pid_nr(p->pid) + 1;
	if (++mp1_shown < MP1_BATCH)
		return mp1_entry(rb_prev(&p->by_nr));
	mp1_stop(m, v);
	cond_resched();
	return mp1_start(m, pos);
}

/* Put the digits of @n before @end. Half of what seq_put_decimal_ull() costs. */
static char *mp1_decimal(char *end, u64 n)
{
	do {
		u64 rest = div_u64(n, 10);

		*--end = '0' + n - 10 * rest;
		n = rest;
	} while (n);
	return end;
}

static int mp1_show(struct seq_file *m, void *v)
{
	struct pid_namespace *ns = m->private;
	struct mp1_process *p = v;
	struct signal_struct *sig = p->task->signal;
	pid_t nr = pid_nr(p->pid);
	char line[sizeof("2147483647: 18446744073709551615\n")];
	char *end = line + sizeof(line), *start = end;
	u64 utime = atomic64_read(&p->utime);

	if (ns != &init_pid_ns) {
		nr = pid_nr_ns(p->pid, ns);
		/* Of who has been reaped, the PID may be somebody else's here by now. */
		if (!nr || !pid_has_task(p->pid, PIDTYPE_TGID))
			return SEQ_SKIP;
	}
	/* All threads exit, and all but one have left their times in @sig: this is the total. */
	if (!atomic_read(&sig->live) && data_race(READ_ONCE(sig->nr_threads)) <= 1)
		utime = get_cpu_use(p->task);
	*--start = '\n';
	start = mp1_decimal(start, utime);
	*--start = ' ';
	*--start = ':';
	start = mp1_decimal(start, nr);
	seq_write(m, start, end - start);
	return 0;
}

static const struct seq_operations mp1_seq_ops = {
	.start = mp1_start, .next = mp1_next, .stop = mp1_stop, .show = mp1_show,
};

static int mp1_open(struct inode *inode, struct file *file)
{
	return seq_open(file, &mp1_seq_ops);
}

static const struct proc_ops mp1_proc_ops = {
	.proc_open	= mp1_open,
	.proc_read_iter	= seq_read_iter,
	.proc_write	= mp1_write,
	.proc_lseek	= seq_lseek,
	.proc_release	= seq_release,
};

static int __init mp1_init(void)
{
	struct proc_dir_entry *dir;

	if (period_ms < 10 || period_ms > 3600000) {
		pr_err("period_ms=%u is not between 10 and 3600000\n", period_ms);
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
	proc_remove(dir);	/* takes NULL, too */
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
MODULE_VERSION("1.0");
