// SPDX-License-Identifier: GPL-2.0-only
/* lifetime.c - exits, final totals, and reused PIDs */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/*
 * A process can be waited for while its last thread is still leaving the CPU. That moment counts
 * as well, and on a busy host it may be long. On one CPU, it is over before the parent goes on.
 */
static void stay_on_this_cpu(void)
{
	int cpu = OK(sched_getcpu());

	run_on(0, cpu, cpu);
}

static void burn_argument(void *ns)
{
	burn(*(int64_t *)ns);
}

static void await_exit(pid_t pid)
{
	siginfo_t info;

	OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
}

/* Reap @pid and return its user CPU time in ns, as reported by wait4() */
static int64_t reap(pid_t pid)
{
	struct rusage usage;

	ck_assert_int_eq(wait4(pid, NULL, 0, &usage), pid);
	return usage.ru_utime.tv_sec * SEC + usage.ru_utime.tv_usec * 1000;
}

static void assert_total(int64_t shown, int64_t total)
{
	ck_assert_msg(llabs(shown - total) <= 2 * TICK, "listed %.6f s, wait4() %.6f s",
		      (double)shown / SEC, (double)total / SEC);
}

/* The total may still grow if the last thread is preempted on its way out. Returns it. */
static int64_t assert_still(int64_t before, pid_t pid)
{
	int64_t after = listed(pid);

	ck_assert_msg(after >= before && after - before <= TICK, "%.6f s, before %.6f s",
		      (double)after / SEC, (double)before / SEC);
	return after;
}

TEST(an_exited_process_shows_its_final_total_before_and_after_it_is_reaped)
{
	int64_t burned = 500 * MSEC, before, total;
	pid_t pid;

	stay_on_this_cpu();
	pid = spawn(burn_argument, &burned);
	enroll(pid);
	await_exit(pid);
	before = listed(pid);
	ck_assert_int_gt(before, MOST(500 * MSEC));
	total = reap(pid);
	assert_total(before, total);
	before = assert_still(before, pid);
	assert_total(before, total);
	ck_assert_int_eq(listed(pid), before);
}

static void burn_a_while(void *unused)
{
	(void)unused;
	burn(200 * MSEC);
}

static void burn_threads_and_exit(void *unused)
{
	start_threads(3, burn_a_while);
	pthread_exit(unused);	/* the last thread ends the process */
}

TEST(the_final_total_counts_all_threads)
{
	int64_t before;
	pid_t pid;

	stay_on_this_cpu();
	pid = spawn(burn_threads_and_exit, NULL);
	enroll(pid);
	await_exit(pid);
	before = listed(pid);
	ck_assert_int_gt(before, MOST(600 * MSEC));
	assert_total(before, reap(pid));
	assert_still(before, pid);
}

TEST(a_process_that_lived_between_two_updates_is_read_with_all_its_time,
	.parameters = "period_ms=2500")
{
	int64_t burned = 1 * SEC;
	pid_t pid;
	int i;

	/* 1 s fits between two updates, so no update measures it */
	await_update();
	stay_on_this_cpu();
	pid = spawn(burn_argument, &burned);
	enroll(pid);
	ck_assert_int_lt(listed(pid), 100 * MSEC);
	await_exit(pid);
	for (i = 0; i < 3; i++)
		ck_assert_int_gt(listed(pid), 700 * MSEC);
	assert_total(listed(pid), reap(pid));
}

TEST(a_zombie_stays_listed_until_it_is_reaped, .parameters = SOON)
{
	pid_t pid = spawn_idle();
	int i;

	enroll(pid);
	OK(kill(pid, SIGKILL));
	await_exit(pid);
	for (i = 0; i < 5; i++) {
		await_update();
		ck_assert_int_ge(listed(pid), 0);
	}
	reap(pid);
	await_update();
	ck_assert_int_eq(listed(pid), -1);
}

TEST(a_reaped_process_stays_listed_until_the_next_update)
{
	pid_t pid = spawn_idle();

	enroll(pid);
	finish(pid);
	ck_assert_int_ge(listed(pid), 0);
	ck_assert_int_eq(write_pid(-pid), ESRCH);	/* no process has this PID */
	ck_assert_int_eq(write_pid(pid), ESRCH);
	ck_assert_int_ge(listed(pid), 0);
}

TEST(a_reused_pid_is_a_stranger_before_the_update)
{
	int64_t burned = 300 * MSEC, total;
	pid_t pid;

	stay_on_this_cpu();
	pid = spawn(burn_argument, &burned);
	enroll(pid);
	await_exit(pid);
	total = listed(pid);
	reap(pid);
	ck_assert_int_eq(spawn_as(pid, idle, NULL), pid);
	total = assert_still(total, pid);		/* the old one's */
	ck_assert_int_eq(write_pid(-pid), ESRCH);	/* the new one is not registered */
	ck_assert_int_eq(listed(pid), total);
	enroll(pid);					/* and can be */
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_lt(listed(pid), 100 * MSEC);
	ck_assert_int_eq(write_pid(-pid), 0);
	ck_assert_int_eq(lines(), 0);
}

TEST(a_reused_pid_is_a_stranger_after_the_update, .parameters = SOON)
{
	pid_t pid = spawn_idle();

	enroll(pid);
	finish(pid);
	ck_assert_int_eq(spawn_as(pid, burn_forever, NULL), pid);
	await_update();
	ck_assert_int_eq(listed(pid), -1);
	enroll(pid);
	await_update();
	ck_assert_int_ge(listed(pid), 0);
}

TEST(there_are_never_two_lines_with_one_pid)
{
	pid_t pid = spawn_idle();
	int i;

	enroll(pid);
	for (i = 0; i < 200; i++) {
		finish(pid);
		ck_assert_int_eq(spawn_as(pid, idle, NULL), pid);
		if (i % 3)
			enroll(pid);
		ck_assert_int_ge(listed(pid), 0);	/* fails on a second line */
	}
	ck_assert_int_eq(lines(), 1);
}

/* The kernel's own knob for the next PID, which any privileged program can use */
TEST(a_pid_reused_through_ns_last_pid_is_a_stranger, .needs = "/proc/sys/kernel/ns_last_pid")
{
	pid_t old = spawn_idle(), new = -1;
	char text[16];
	int i;

	enroll(old);
	finish(old);
	snprintf(text, sizeof(text), "%d", old - 1);
	for (i = 0; i < 100 && new != old; i++) {
		if (new > 0)
			finish(new);
		spew("/proc/sys/kernel/ns_last_pid", text);
		new = spawn_idle();
	}
	ck_assert_int_eq(new, old);
	ck_assert_int_eq(write_pid(-new), ESRCH);
	enroll(new);
	ck_assert_int_eq(lines(), 1);
}

enum { HELD = 64 + 300 };	/* an update comes early, but takes a moment */

static char thread_stack[1 << 14], leader_stack[1 << 14];

static int register_itself(void *failures)
{
	*(int *)failures += write_pid(getpid()) != 0;
	return 0;
}

/* The leader exits first. The kernel keeps it on more lists than one that exits last. */
static int lead_and_exit(void *failures)
{
	if (clone(register_itself, thread_stack + sizeof(thread_stack),
		  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, failures) < 0)
		++*(int *)failures;
	return (int)syscall(SYS_exit, 0);
}

/* How long does it take to read which processes are in this cgroup? 0 if there are no cgroups. */
static int64_t time_of_cgroup_procs(void)
{
	int64_t start = now();

	if (access(CGROUPS "/cgroup.procs", R_OK))
		return 0;
	free(slurp(CGROUPS "/cgroup.procs"));
	return now() - start;
}

static void register_in_turn(void *unused)
{
	enum { IN_TURN = 2500 };
	int64_t before, longest = 0, deadline = now() + 20 * SEC * patience();
	int i, failures = 0;

	(void)unused;
	time_of_cgroup_procs();		/* the first time takes longest */
	before = time_of_cgroup_procs();
	become(NOBODY);
	for (i = 1; i <= IN_TURN; i++) {
		pid_t pid = OK(clone(lead_and_exit, leader_stack + sizeof(leader_stack),
				     CLONE_VM | CLONE_VFORK | SIGCHLD, &failures));

		ck_assert_int_eq(wait_status(pid), 0);
		if (i % 500 == 0) {
			int64_t took = time_of_cgroup_procs();

			while (lines() >= HELD)		/* the update may wait for a CPU */
				ck_assert(await_until(deadline));
			longest = took > longest ? took : longest;
		}
	}
	ck_assert_int_eq(failures, 0);
	note("%d registered and reaped, %d of them still held", IN_TURN, lines());
	note("cgroup.procs is read within %lld us before, within %lld us meanwhile",
	     (long long)before / 1000, (long long)longest / 1000);
}

TEST(reaped_processes_do_not_pile_up_however_long_the_period_is, .seconds = 240,
	.needs = "/proc/slabinfo")
{
	static pid_t many[2200];
	long before;
	size_t i;

	mount_cgroups();
	/* A list that was long for a while allows no more afterwards. */
	spawn_many(many, ARRAY_SIZE(many));
	for (i = 0; i < ARRAY_SIZE(many); i++)
		enroll(many[i]);
	for (i = 0; i < ARRAY_SIZE(many); i++)
		ck_assert_int_eq(write_pid(-many[i]), 0);
	before = process_objects();
	ck_assert_int_eq(wait_status(spawn(register_in_turn, NULL)), 0);
	ck_assert_int_lt(process_objects() - before, 2 * HELD + 200);
}
