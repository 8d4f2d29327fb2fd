// SPDX-License-Identifier: GPL-2.0-only
/*
 * faults.c - every allocation and every copy to or from user space fails once
 *
 * Kernels with fault injection have /proc/thread-self/fail-nth, which makes the n-th
 * point of failure in this thread fail. Count n up until that point is not reached.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

#define DEBUGFS	"/sys/kernel/debug/"

static const char *cannot_inject(void)
{
	return access("/proc/thread-self/fail-nth", W_OK) ?
	       "this kernel cannot inject faults (see KERNEL=debug)" : NULL;
}

static void set_address(const char *point, const char *bound, unsigned long address)
{
	char path[64], value[32];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", point, bound);
	snprintf(value, sizeof(value), "%#lx", address);
	spew(path, value);
}

/*
 * Inject failures only while a thread is in @function; anywhere if it is NULL.
 * Overall, the number of points varies from run to run; in a few functions it does not.
 */
static void only_within(const char *function)
{
	static const char *const points[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	unsigned long start = 0, end = ULONG_MAX;
	size_t i;

	if (function) {
		char *symbols = slurp("/proc/kallsyms"), *line, name[64];

		snprintf(name, sizeof(name), " %s\n", function);
		line = strstr(symbols, name);
		ck_assert_ptr_nonnull(line);
		end = strtoul(strchr(line + 1, '\n'), NULL, 16);
		while (line > symbols && line[-1] != '\n')
			line--;
		start = strtoul(line, NULL, 16);
		ck_assert_uint_gt(end, start);
		free(symbols);
	}
	for (i = 0; i < ARRAY_SIZE(points); i++) {
		set_address(points[i], "require-start", start);
		set_address(points[i], "require-end", end);
	}
}

static void allow_faults(void)
{
	spew(DEBUGFS "failslab/ignore-gfp-wait", "N");
	spew(DEBUGFS "failslab/verbose", "0");
	spew(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	spew(DEBUGFS "fail_page_alloc/min-order", "0");
	spew(DEBUGFS "fail_page_alloc/verbose", "0");
	spew(DEBUGFS "fail_usercopy/verbose", "0");
}

/*
 * For each n, run @operation with a failure at its n-th point within @function (NULL:
 * anywhere), and pass its result to @verify. @operation returns 0 or an errno, and must
 * not assert anything. Returns the number of points.
 */
static int fail_each_within(const char *function, int (*operation)(void),
			    void (*verify)(int err))
{
	int fd = OK(open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC)), n, err;
	char text[16];

	allow_faults();
	only_within(function);
	for (n = 1;; n++) {
		ssize_t size = snprintf(text, sizeof(text), "%d", n);

		ck_assert_int_eq(pwrite(fd, text, (size_t)size, 0), size);
		err = operation();
		/* Reading back what is left of n can fail as well. */
		size = pread(fd, text, sizeof(text) - 1, 0);
		while (pwrite(fd, "0", 1, 0) != 1)
			ck_assert_int_eq(errno, EFAULT);
		if (size < 0)
			break;
		text[size] = '\0';
		if (atoi(text))
			break;	/* it never reached the n-th point */
		verify(err);
	}
	ck_assert_int_eq(err, 0);
	ck_assert_int_gt(n, 1);
	close(fd);
	return n - 1;
}

static int fail_each(int (*operation)(void), void (*verify)(int err))
{
	return fail_each_within(NULL, operation, verify);
}

static int module_file;

static int load(void)
{
	return syscall(SYS_finit_module, module_file, SOON, 0) ? errno : 0;
}

static void verify_load(int err)
{
	ck_assert_msg(err == 0 || err == ENOMEM || err == EFAULT, "errno %d", err);
	if (!err)	/* it can do without what failed */
		ck_assert_int_eq(unload_module(), 0);
	ck_assert(access("/proc/mp1", F_OK) && access("/sys/module/mp1", F_OK));
}

static long workqueue_objects(void)
{
	return objects("pool_workqueue");
}

/* Objects freed a moment ago may still be counted: take the minimum over two seconds */
static long settled(long (*count)(void))
{
	int64_t end = now() + 2 * SEC;
	long least = count();

	while (await_until(end))
		least = MIN(least, count());
	return least;
}

TEST(every_failure_while_loading_is_undone,
	.parameters = NOT_LOADED, .seconds = 240, .skip = cannot_inject)
{
	long before = settled(workqueue_objects);

	module_file = OK(open(MODULE, O_RDONLY | O_CLOEXEC));
	note("%d points of failure", fail_each(load, verify_load));
	ck_assert_int_eq(unload_module(), 0);
	/* The module's own steps. Among the rest, one can be missed, as their number varies. */
	note("%d of the module's own", fail_each_within("do_one_initcall", load, verify_load));
	enroll(getpid());
	await_update();
	ck_assert_int_eq(unload_module(), 0);
	await_few(workqueue_objects, before);
}

static pid_t pid;
static int file;

static int register_pid(void)
{
	return send_pid(file, pid);
}

static void verify_register(int err)
{
	ck_assert_msg(err == 0 || err == ENOMEM || err == EFAULT, "errno %d", err);
	ck_assert_int_eq(lines(), err ? 0 : 1);
	ck_assert_int_eq(write_pid(-pid), err ? ESRCH : 0);
	enroll(pid);
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_eq(write_pid(-pid), 0);
}

TEST(every_failure_while_registering_is_enomem_or_efault_and_undone, .skip = cannot_inject)
{
	pid = spawn_idle();
	file = status_open();
	note("%d points of failure", fail_each(register_pid, verify_register));
	ck_assert_int_eq(lines(), 1);
}

static int unregister(void)
{
	int fd = open(STATUS, O_WRONLY | O_CLOEXEC), err;

	if (fd < 0)
		return errno;
	err = send_pid(fd, -pid);
	close(fd);
	return err;
}

static void verify_take_back(int err)
{
	ck_assert_msg(err == 0 || err == ENOMEM || err == EFAULT, "errno %d", err);
	ck_assert_int_eq(lines(), err ? 1 : 0);
	enroll(pid);
}

TEST(every_failure_while_opening_and_unregistering_is_reported, .skip = cannot_inject)
{
	pid = spawn_idle();
	enroll(pid);
	note("%d points of failure", fail_each(unregister, verify_take_back));
	ck_assert_int_eq(lines(), 0);
}

static char *whole;

static int read_whole(void)
{
	static char text[65536];
	size_t size = 0;
	ssize_t n;
	int fd = open(STATUS, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	while ((n = read(fd, text + size, 1000)) > 0)
		size += (size_t)n;
	if (n < 0)
		err = errno;
	close(fd);
	text[size] = '\0';
	/* Whatever was read before an error must still be right. */
	if (strncmp(text, whole, size) || (!err && strcmp(text, whole)))
		err = EILSEQ;
	return err;
}

static void verify_read(int err)
{
	ck_assert_msg(err == 0 || err == ENOMEM || err == EFAULT, "errno %d", err);
}

TEST(every_failure_while_opening_and_reading_is_reported, .skip = cannot_inject)
{
	int i;

	for (i = 0; i < 500; i++)
		enroll(spawn_idle());
	whole = read_list();
	note("%d points of failure", fail_each(read_whole, verify_read));
}
