// SPDX-License-Identifier: GPL-2.0-only
/*
 * broken - does what mp1 must not do, to show that the tests notice
 *
 *	insmod broken.ko fault=warn	log a WARNING
 *	insmod broken.ko fault=oops	follow a NULL pointer
 *	insmod broken.ko fault=leak	destroy a cache that still has an object
 *	insmod broken.ko fault=uaf	read freed memory (for KASAN to find)
 *	insmod broken.ko fault=hang	never give the CPU back
 *	insmod broken.ko fault=stay	leave /proc/mp1 behind
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string.h>

static char *fault = "";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "What to do wrong: warn, oops, leak, uaf, hang or stay");

struct broken_process {
	int nr;
	char name[16];
};

static noinline struct broken_process *broken_new(int nr)
{
	struct broken_process *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (p)
		p->nr = nr;
	return p;
}

static noinline void broken_drop(struct broken_process *p)
{
	kfree(p);
}

static noinline void broken_use_after_free(void)
{
	struct broken_process *p = broken_new(423);

	if (!p)
		return;
	broken_drop(p);
	pr_info("%d: dropped\n", READ_ONCE(p->nr));
}

static int __init broken_init(void)
{
	struct kmem_cache *cache;

	if (!strcmp(fault, "warn")) {
		WARN(1, "broken on purpose\n");
	} else if (!strcmp(fault, "oops")) {
		WRITE_ONCE(*(int *)NULL, 1);
	} else if (!strcmp(fault, "leak")) {
		cache = kmem_cache_create("broken", 64, 0, 0, NULL);
		if (!cache || !kmem_cache_alloc(cache, GFP_KERNEL))
			return -ENOMEM;
		kmem_cache_destroy(cache);
	} else if (!strcmp(fault, "uaf")) {
		broken_use_after_free();
	} else if (!strcmp(fault, "hang")) {
		for (;;)
			cpu_relax();
	} else if (!strcmp(fault, "stay")) {
		proc_mkdir("mp1", NULL);
	} else {
		pr_err("no such fault: '%s'\n", fault);
		return -EINVAL;
	}
	return 0;
}
module_init(broken_init);

static void __exit broken_exit(void)
{
}
module_exit(broken_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mp1 developers");
MODULE_DESCRIPTION("Faults on purpose, for the tests of the tests");
