// SPDX-License-Identifier: GPL-2.0-only
/*
 * faults.c - every allocation and every copy to or from a user fails once
 *
 * Kernels with fault injection have /proc/thread-self/fail-nth: the n-th chance
 * to fail that this thread meets is taken. Count n up until it is not met.
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

static bool can_inject(void)
{
	return !access("/proc/thread-self/fail-nth", W_OK);
}

static void set_address(const char *point, const char *bound, unsigned long address)
{
	char path[64], value[32];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", point, bound);
	snprintf(value, sizeof(value), "%#lx", address);
	spew(path, value);
}

/*
 * Only chances that a thread meets while it is in @function, or all for NULL.
 * How many there are is different each time, but not in a few functions.
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
 * Do @operation (0 or an errno; it asserts nothing) with its n-th chance to fail
 * within @function (NULL: anywhere) taken, for each n, and call @verify with what it
 * said. Returns how many chances there were.
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
		/* To read what is left of n is a chance to fail, too. */
		size = pread(fd, text, sizeof(text) - 1, 0);
		while (pwrite(fd, "0", 1, 0) != 1)
			ck_assert_int_eq(errno, EFAULT);
		if (size < 0)
			break;
		text[size] = '\0';
		if (atoi(text))
			break;	/* it never came to the n-th */
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

/* What was freed a moment ago may still be counted: the least of two seconds */
static long settled(long (*count)(void))
{
	int64_t end = now() + 2 * SEC;
	long least = count();

	while (await_until(end))
		least = MIN(least, count());
	return least;
}

START_TEST(every_failure_while_loading_is_undone)
{
	long before = settled(workqueue_objects);

	module_file = OK(open(MODULE, O_RDONLY | O_CLOEXEC));
	note("%d points of failure", fail_each(load, verify_load));
	ck_assert_int_eq(unload_module(), 0);
	/* The module's own steps: in the rest one can be missed, as their number varies. */
	note("%d of the module's own", fail_each_within("do_one_initcall", load, verify_load));
	enroll(getpid());
	await_update();
	ck_assert_int_eq(unload_module(), 0);
	await_few(workqueue_objects, before);
}
END_TEST

static pid_t pid;
static int file;

static int register_pid(void)
{
	return put_pid(file, pid);
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

START_TEST(every_failure_while_registering_is_enomem_or_efault_and_undone)
{
	pid = spawn_idle();
	file = status_open();
	note("%d points of failure", fail_each(register_pid, verify_register));
	ck_assert_int_eq(lines(), 1);
}
END_TEST

static int take_back(void)
{
	int fd = open(STATUS, O_WRONLY | O_CLOEXEC), err;

	if (fd < 0)
		return errno;
	err = put_pid(fd, -pid);
	close(fd);
	return err;
}

static void verify_take_back(int err)
{
	ck_assert_msg(err == 0 || err == ENOMEM || err == EFAULT, "errno %d", err);
	ck_assert_int_eq(lines(), err ? 1 : 0);
	enroll(pid);
}

START_TEST(every_failure_while_opening_and_taking_back_is_reported)
{
	pid = spawn_idle();
	enroll(pid);
	note("%d points of failure", fail_each(take_back, verify_take_back));
	ck_assert_int_eq(lines(), 0);
}
END_TEST

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
	/* What came before an error is right all the same. */
	if (strncmp(text, whole, size) || (!err && strcmp(text, whole)))
		err = EILSEQ;
	return err;
}

static void verify_read(int err)
{
	ck_assert_msg(err == 0 || err == ENOMEM || err == EFAULT, "errno %d", err);
}

START_TEST(every_failure_while_opening_and_reading_is_reported)
{
	int i;

	for (i = 0; i < 500; i++)
		enroll(spawn_idle());
	whole = read_list();
	note("%d points of failure", fail_each(read_whole, verify_read));
}
END_TEST

void test_faults(void)
{
	static const char why[] = "this kernel cannot inject faults (see KERNEL=debug)";

	RUN_IF(can_inject(), why, every_failure_while_loading_is_undone, 120, NOT_LOADED);
	RUN_IF(can_inject(), why,
	       every_failure_while_registering_is_enomem_or_efault_and_undone, 60, NEVER);
	RUN_IF(can_inject(), why, every_failure_while_opening_and_taking_back_is_reported,
	       60, NEVER);
	RUN_IF(can_inject(), why, every_failure_while_opening_and_reading_is_reported, 60, NEVER);
}
