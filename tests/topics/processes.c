// SPDX-License-Identifier: GPL-2.0-only
/* processes.c - processes in unusual states */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/*
 * @pid is not running. It can be registered, listed and unregistered nevertheless, its time does
 * not change, and it can be killed as usual. Reaps it.
 */
static void assert_usable(pid_t pid)
{
	int64_t time;

	ck_assert_int_eq(write_pid(pid), 0);
	await_update();
	time = listed(pid);
	ck_assert_int_ge(time, 0);
	ck_assert_int_eq(write_pid(-pid), 0);
	ck_assert_int_eq(listed(pid), -1);
	ck_assert_int_eq(write_pid(pid), 0);
	await_update();
	ck_assert_int_eq(listed(pid), time);
	OK(kill(pid, SIGKILL));
	OK(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	ck_assert_int_ge(listed(pid), time);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	await_update();
	ck_assert_int_eq(listed(pid), -1);
	ck_assert_int_eq(write_pid(pid), ESRCH);
}

static const char *no_freezer(void)
{
	return mount_cgroups() ? NULL : "this kernel has no second version of cgroups";
}

TEST(a_frozen_process_is_measured, .parameters = SOON, .skip = no_freezer)
{
	char *events, text[16];
	int i;

	OK(mkdir(CGROUPS "/ice", 0755));
	for (i = 0; i < 5; i++) {
		int64_t deadline = now() + 5 * SEC;
		pid_t pid = spawn(burn_forever, NULL);
		bool frozen;

		snprintf(text, sizeof(text), "%d", pid);
		spew(CGROUPS "/ice/cgroup.freeze", "0");
		spew(CGROUPS "/ice/cgroup.procs", text);
		spew(CGROUPS "/ice/cgroup.freeze", "1");
		do {
			events = slurp(CGROUPS "/ice/cgroup.events");
			frozen = strstr(events, "frozen 1");
			free(events);
			ck_assert(frozen || await_until(deadline));
		} while (!frozen);
		assert_usable(pid);
	}
	OK(rmdir(CGROUPS "/ice"));
}

TEST(a_stopped_process_is_measured, .parameters = SOON)
{
	pid_t pid = spawn(burn_forever, NULL);

	OK(kill(pid, SIGSTOP));
	ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
	assert_usable(pid);
}

TEST(a_process_that_a_debugger_holds_is_measured, .parameters = SOON)
{
	pid_t pid = spawn(burn_forever, NULL);

	OK(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	OK(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
	ck_assert_int_eq(waitpid(pid, NULL, __WALL), pid);
	assert_usable(pid);
}

static int32_t failures;

/* The child of vfork(): its parent waits, and both use the same memory. */
static int borrow(void *unused)
{
	(void)unused;
	failures += write_pid(getpid()) != 0;
	failures += write_pid(getppid()) != 0;
	burn(600 * MSEC);	/* on a busy host, ticks are few */
	await_update();
	failures += listed(getpid()) < MOST(600 * MSEC);
	failures += listed(getppid()) >= MOST(600 * MSEC);
	return 0;
}

TEST(a_process_that_waits_in_vfork_and_its_child_are_measured, .parameters = SOON)
{
	enum { STACK = 1 << 18 };
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	ck_assert_ptr_ne(stack, MAP_FAILED);
	pid = OK(clone(borrow, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
	ck_assert_int_eq(wait_status(pid), 0);
	ck_assert_int_eq(failures, 0);
	await_update();
	ck_assert_int_eq(listed(pid), -1);
	ck_assert_int_ge(listed(getpid()), 0);
}

/* @pid hardly runs. */
static void assert_agrees(pid_t pid)
{
	int64_t shown = listed(pid), stat = stat_utime(pid);

	ck_assert_msg(llabs(shown - stat) <= 2 * TICK, "%d: %lld and %lld", pid, (long long)shown,
		      (long long)stat);
}

/* If no tick has hit a thread yet, the kernel counts all of its runtime as user time. */
TEST(kernel_threads_show_what_proc_stat_does, .parameters = SOON)
{
	enum { KTHREADD = 2 };
	pid_t pid;
	int n = 0;

	/* Threads of the kernel are kthreadd's children. Most of the first PIDs are theirs. */
	for (pid = KTHREADD; pid < 40; pid++) {
		char path[32], *stat;
		int parent;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (access(path, F_OK))
			continue;
		stat = slurp(path);
		ck_assert_int_eq(sscanf(strrchr(stat, ')'), ") %*c %d", &parent), 1);
		free(stat);
		if (pid != KTHREADD && parent != KTHREADD)
			continue;
		enroll(pid);
		await_update();
		assert_agrees(pid);
		n++;
	}
	ck_assert_int_gt(n, 5);
}

TEST(the_first_process_is_measured, .parameters = SOON)
{
	enroll(1);
	await_update();
	assert_agrees(1);
}
