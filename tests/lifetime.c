// SPDX-License-Identifier: GPL-2.0-only
/* lifetime.c - exits, final totals, and PIDs that are given to other processes */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static void burn_argument(void *ns)
{
	burn(*(int64_t *)ns);
}

static void await_exit(pid_t pid)
{
	siginfo_t info;

	OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
}

/* Reap @pid; its user CPU time in ns, as wait4() reports it */
static int64_t reap(pid_t pid)
{
	struct rusage usage;

	ck_assert_int_eq(wait4(pid, NULL, 0, &usage), pid);
	return usage.ru_utime.tv_sec * SEC + usage.ru_utime.tv_usec * 1000;
}

static void assert_total(int64_t listed, int64_t total)
{
	ck_assert_msg(llabs(listed - total) <= 2 * TICK, "listed %.6f s, wait4() %.6f s",
		      (double)listed / SEC, (double)total / SEC);
}

/*
 * A process can be waited for when its last thread is still about to leave the CPU; that
 * moment counts, too. Returns what is listed now.
 */
static int64_t assert_still(int64_t before, pid_t pid)
{
	int64_t now = listed(pid);

	ck_assert_msg(now >= before && now - before <= TICK, "%.6f s, before %.6f s",
		      (double)now / SEC, (double)before / SEC);
	return now;
}

START_TEST(an_exited_process_shows_its_final_total_before_and_after_it_is_reaped)
{
	int64_t burned = 500 * MSEC, before, total;
	pid_t pid = spawn(burn_argument, &burned);

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
END_TEST

static void *burn_a_while(void *unused)
{
	burn(200 * MSEC);
	return unused;
}

static void burn_threads_and_exit(void *unused)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 3; i++)
		pthread_create(&thread, NULL, burn_a_while, unused);
	pthread_exit(NULL);	/* the last thread ends the process */
}

START_TEST(the_final_total_holds_all_threads)
{
	pid_t pid = spawn(burn_threads_and_exit, NULL);
	int64_t before;

	enroll(pid);
	await_exit(pid);
	before = listed(pid);
	ck_assert_int_gt(before, MOST(600 * MSEC));
	assert_total(before, reap(pid));
	assert_still(before, pid);
}
END_TEST

START_TEST(a_process_that_lived_between_two_updates_is_read_with_all_its_time)
{
	int64_t burned = 1 * SEC;
	pid_t pid;
	int i;

	/* 1 s fits between two updates, and no update is needed */
	await_update();
	pid = spawn(burn_argument, &burned);
	enroll(pid);
	ck_assert_int_lt(listed(pid), 100 * MSEC);
	await_exit(pid);
	for (i = 0; i < 3; i++)
		ck_assert_int_gt(listed(pid), 700 * MSEC);
	assert_total(listed(pid), reap(pid));
}
END_TEST

START_TEST(a_zombie_stays_listed_over_updates_and_goes_when_it_was_reaped)
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
END_TEST

START_TEST(a_reaped_process_stays_listed_until_the_next_update)
{
	pid_t pid = spawn_idle();

	enroll(pid);
	finish(pid);
	ck_assert_int_ge(listed(pid), 0);
	ck_assert_int_eq(write_pid(-pid), ESRCH);	/* nobody has this PID */
	ck_assert_int_eq(write_pid(pid), ESRCH);
	ck_assert_int_ge(listed(pid), 0);
}
END_TEST

START_TEST(a_number_given_to_another_process_is_a_stranger_before_the_update)
{
	int64_t burned = 300 * MSEC, total;
	pid_t pid = spawn(burn_argument, &burned);

	enroll(pid);
	await_exit(pid);
	total = listed(pid);
	reap(pid);
	ck_assert_int_eq(spawn_as(pid, idle, NULL), pid);
	total = assert_still(total, pid);		/* of the old one */
	ck_assert_int_eq(write_pid(-pid), ESRCH);	/* the new one is not registered */
	ck_assert_int_eq(listed(pid), total);
	enroll(pid);					/* and can be */
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_lt(listed(pid), 100 * MSEC);
	ck_assert_int_eq(write_pid(-pid), 0);
	ck_assert_int_eq(lines(), 0);
}
END_TEST

START_TEST(a_number_given_to_another_process_is_a_stranger_after_the_update)
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
END_TEST

START_TEST(never_are_there_two_lines_with_one_pid)
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
END_TEST

/* The kernel's own knob for PIDs, as any program with the right may use it */
START_TEST(a_number_forced_by_ns_last_pid_is_a_stranger)
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
END_TEST

void test_lifetime(void)
{
	RUN(an_exited_process_shows_its_final_total_before_and_after_it_is_reaped, 20, NEVER);
	RUN(the_final_total_holds_all_threads, 20, NEVER);
	RUN(a_process_that_lived_between_two_updates_is_read_with_all_its_time, 40,
	    "period_ms=2500");
	RUN(a_zombie_stays_listed_over_updates_and_goes_when_it_was_reaped, 20, SOON);
	RUN(a_reaped_process_stays_listed_until_the_next_update, 20, NEVER);
	RUN(a_number_given_to_another_process_is_a_stranger_before_the_update, 20, NEVER);
	RUN(a_number_given_to_another_process_is_a_stranger_after_the_update, 20, SOON);
	RUN(never_are_there_two_lines_with_one_pid, 20, NEVER);
	RUN(a_number_forced_by_ns_last_pid_is_a_stranger, 20, NEVER);
}
