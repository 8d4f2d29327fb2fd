// SPDX-License-Identifier: GPL-2.0-only
/*
 * A right solution as a student may write it. ../wrong/ breaks it in one way at a time, to test
 * grade/grade. mp1 itself is in ../../../mp1.c.
 */
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define timer_delete_sync del_timer_sync
#endif

struct entry {
	struct list_head node;
	int pid;
	u64 time;
};

static LIST_HEAD(entries);
static DEFINE_SPINLOCK(entries_lock);
static struct proc_dir_entry *folder;
static struct timer_list timer;
static struct workqueue_struct *queue;
static struct work_struct work;
static bool stopping;

static int get_cpu_use(int pid, u64 *time)
{
	struct task_struct *task;
	int err = -1;

	rcu_read_lock();
	task = pid_task(find_vpid(pid), PIDTYPE_PID);
	if (task) {
		*time = task->utime;
		err = 0;
	}
	rcu_read_unlock();
	return err;
}

static void update(struct work_struct *unused)
{
	struct entry *entry, *next;

	spin_lock(&entries_lock);
	list_for_each_entry_safe(entry, next, &entries, node) {
		if (get_cpu_use(entry->pid, &entry->time)) {
			list_del(&entry->node);
			kfree(entry);
		}
	}
	spin_unlock(&entries_lock);
	if (!stopping)
		mod_timer(&timer, jiffies + msecs_to_jiffies(5000));
}

static void expired(struct timer_list *unused)
{
	queue_work(queue, &work);
}

static int show(struct seq_file *m, void *unused)
{
	struct entry *entry;

	spin_lock(&entries_lock);
	list_for_each_entry(entry, &entries, node)
		seq_printf(m, "%d: %llu\n", entry->pid, entry->time);
	spin_unlock(&entries_lock);
	return 0;
}

static int open(struct inode *inode, struct file *file)
{
	return single_open(file, show, NULL);
}

static ssize_t write(struct file *file, const char __user *buffer, size_t count, loff_t *ppos)
{
	struct entry *entry;
	char text[16];
	int pid;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buffer, count))
		return -EFAULT;
	text[count] = '\0';
	if (kstrtoint(text, 10, &pid) || pid <= 0)
		return -EINVAL;
	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	entry->pid = pid;
	spin_lock(&entries_lock);
	list_add_tail(&entry->node, &entries);
	spin_unlock(&entries_lock);
	return count;
}

static const struct proc_ops ops = {
	.proc_open = open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_write = write,
	.proc_release = single_release,
};

static int __init start(void)
{
	folder = proc_mkdir("mp1", NULL);
	if (!folder)
		return -ENOMEM;
	queue = create_singlethread_workqueue("mp1");
	if (!queue || !proc_create("status", 0666, folder, &ops)) {
		if (queue)
			destroy_workqueue(queue);
		proc_remove(folder);
		return -ENOMEM;
	}
	INIT_WORK(&work, update);
	timer_setup(&timer, expired, 0);
	mod_timer(&timer, jiffies + msecs_to_jiffies(5000));
	return 0;
}

static void __exit stop(void)
{
	struct entry *entry, *next;

	proc_remove(folder);
	stopping = true;
	timer_delete_sync(&timer);
	flush_workqueue(queue);
	timer_delete_sync(&timer);	/* the work may have re-armed it */
	destroy_workqueue(queue);
	list_for_each_entry_safe(entry, next, &entries, node)
		kfree(entry);
}

module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
