// SPDX-License-Identifier: GPL-2.0-only
/* mp1 - measure the user CPU time of registered processes: a start for your solution */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

/*
 * TODO 4: an entry for each registered process (struct list_head, PID, time), the list itself
 * (LIST_HEAD()), and a lock for it.
 */

/*
 * TODO 2: read. For a start, print one line with a fixed text; see seq_file: single_open() and
 * seq_printf(). TODO 5: print the list instead.
 */
static ssize_t mp1_read(struct file *file, char __user *buffer, size_t count, loff_t *ppos)
{
	return 0;
}

/*
 * TODO 3: write. Copy the text (copy_from_user(): it is no string, end it yourself), and make a
 * number of it (kstrtoint()). Refuse what is none. TODO 4: add it to the list (kmalloc()).
 */
static ssize_t mp1_write(struct file *file, const char __user *buffer, size_t count, loff_t *ppos)
{
	return -EINVAL;
}

static const struct proc_ops mp1_ops = {
	.proc_read = mp1_read,
	.proc_write = mp1_write,
};

/*
 * TODO 6: a timer (timer_setup(), mod_timer()) that fires every five seconds and queues a work
 * item. TODO 7: the work (INIT_WORK()) stores the time of each process in its entry, and removes
 * entries whose process has ended. TODO 8: arm the timer again.
 */

static int __init mp1_init(void)
{
	/* TODO 1: create /proc/mp1/status: proc_mkdir(), proc_create() with mode 0666, mp1_ops */
	(void)mp1_ops;
	return 0;
}

static void __exit mp1_exit(void)
{
	/* TODO 1: remove it. TODO 9: stop timer and work, and free the list, in this order. */
}

module_init(mp1_init);
module_exit(mp1_exit);
MODULE_DESCRIPTION("Measure the user CPU time of registered processes");
MODULE_LICENSE("GPL");
