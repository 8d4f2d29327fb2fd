// SPDX-License-Identifier: GPL-2.0-only
/* hour.c - runs in virtual time (vm/boot -v), where a busy host delays no update */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static void become_many_threads(void *n)
{
	start_threads((int)(intptr_t)n - 1, idle);
	idle(NULL);
}

/* How late is a real-time process woken, at worst? */
static int64_t worst_delay(void)
{
	int64_t start, late, worst = 0;
	int i;

	for (i = 0; i < 1000; i++) {
		start = now();
		nap(900000);
		late = now() - start - 900000;
		worst = late > worst ? late : worst;
	}
	return worst;
}

/* How long does the kernel itself take to sum up the threads of a process? */
static int64_t walk_threads(pid_t pid)
{
	struct timespec sum;
	clockid_t clock;
	int64_t start;

	ck_assert(!clock_getcpuclockid(pid, &clock));
	start = now();
	OK(clock_gettime(clock, &sum));
	return now() - start;
}

/* The kernel has to wait for the end of an RCU section, so an update leaves it when it must. */
TEST(an_update_of_processes_with_many_threads_lets_others_run, .parameters = SOON, .seconds = 240)
{
	enum { PROCESSES = 32, THREADS = 300 };
	struct sched_param param = { .sched_priority = 50 };
	int64_t before, meanwhile, walk = 0;
	pid_t pids[PROCESSES];
	int i;

	OK(sched_setscheduler(0, SCHED_FIFO, &param));
	before = worst_delay();
	param.sched_priority = 0;
	OK(sched_setscheduler(0, SCHED_OTHER, &param));
	spew("/proc/sys/kernel/threads-max", "100000");
	for (i = 0; i < PROCESSES; i++)
		pids[i] = spawn(become_many_threads, (void *)(intptr_t)THREADS);
	for (i = 0; i < PROCESSES; i++) {
		char path[64], *status;
		int threads = 0;

		snprintf(path, sizeof(path), "/proc/%d/status", pids[i]);
		while (threads < THREADS) {
			nap(10 * MSEC);
			status = slurp(path);
			sscanf(strstr(status, "Threads:"), "Threads: %d", &threads);
			free(status);
		}
		enroll(pids[i]);
		walk += walk_threads(pids[i]);
	}
	param.sched_priority = 50;
	OK(sched_setscheduler(0, SCHED_FIFO, &param));
	meanwhile = worst_delay();
	note("woken %lld us late before, %lld us during updates of %d threads, walked in %lld us",
	     (long long)before / 1000, (long long)meanwhile / 1000, PROCESSES * THREADS,
	     (long long)walk / 1000);
	/* An update that does not yield takes a third of these walks, or more. */
	ck_assert_int_lt(meanwhile - before, walk / 10);
}

TEST(the_first_update_comes_a_period_after_the_first_registration,
	.parameters = "period_ms=500", .needs = TRACING)
{
	int64_t start, when;

	trace_begin();
	nap(300 * MSEC);	/* the registration counts, not the load */
	start = now();
	enroll(getpid());
	ck_assert(trace_next(UPDATE, &when, start + 20 * SEC));
	/* The timer wheel is late by as much as an eighth. */
	ck_assert_msg(when - start > 490 * MSEC && when - start < 575 * MSEC, "after %.3f s",
		      (double)(when - start) / SEC);
}

TEST(the_timer_expires_once_an_update, .parameters = SOON, .needs = TRACING)
{
	int expiries;

	trace_begin();
	enroll(getpid());
	expiries = trace_count(EXPIRE, SEC);
	ck_assert_msg(expiries >= 48 && expiries <= 51, "%d expiries in 1 s of 20 ms periods",
		      expiries);
}

TEST(a_period_that_is_no_whole_number_of_ticks_is_exact_too,
	.parameters = "period_ms=10", .needs = TRACING)
{
	enum { UPDATES = 1000 };	/* 10 ms are 2.5 ticks of 250 Hz */
	int64_t first, last = 0;
	int i;

	trace_begin();
	enroll(getpid());
	ck_assert(trace_next(UPDATE, &first, now() + 30 * SEC));
	for (i = 0; i < UPDATES; i++)
		ck_assert(trace_next(UPDATE, &last, now() + 30 * SEC));
	ck_assert_msg(llabs(last - first - UPDATES * 10 * MSEC) <= 10 * MSEC,
		      "%.6f s from update to update", (double)(last - first) / UPDATES / SEC);
}

TEST(an_hour_has_720_updates, .parameters = "", .seconds = 7200, .needs = TRACING)
{
	int64_t start, when;
	int n = 0;

	trace_begin();
	enroll(getpid());
	start = now();
	while (now() < start + 3600 * SEC) {
		nap(10 * SEC);
		while (trace_next(UPDATE, &when, 0))
			n += when < start + 3600 * SEC;
	}
	/* Check mishandles durations whose lower 32 bits of microseconds are negative. */
	nap(800 * SEC);
	ck_assert_msg(n >= 719 && n <= 721, "%d updates", n);
}

TEST(updates_come_while_all_cpus_are_busy, .parameters = SOON, .needs = TRACING)
{
	long i;
	int n;

	for (i = 0; i < 2 * sysconf(_SC_NPROCESSORS_ONLN); i++)
		spawn(burn_forever, NULL);
	trace_begin();
	enroll(getpid());
	n = trace_count(UPDATE, SEC);
	ck_assert_msg(n >= 45 && n <= 51, "%d updates in 1 s of 20 ms periods", n);
}

/* While this runs on each CPU, nothing else does, not even the kernel's workers. */
static void hog(void *cpu)
{
	struct sched_param param = { .sched_priority = 50 };
	int64_t end = now() + 200 * MSEC;

	run_on(0, (int)(intptr_t)cpu, (int)(intptr_t)cpu);
	OK(sched_setscheduler(0, SCHED_FIFO, &param));
	while (now() < end)
		;
}

TEST(periods_that_were_missed_are_not_made_up_by_a_burst, .parameters = SOON, .needs = TRACING)
{
	enum { WINDOW = 8 };	/* updates, normally 160 ms */
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	int64_t times[WINDOW] = { 0 }, end;
	pid_t pids[cpus];
	int n;

	spew("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	trace_begin();
	enroll(getpid());
	ck_assert_int_gt(trace_count(UPDATE, 500 * MSEC), 5);
	for (i = 0; i < cpus; i++)
		pids[i] = spawn(hog, (void *)(intptr_t)i);
	for (i = 0; i < cpus; i++)
		ck_assert_int_eq(wait_status(pids[i]), 0);
	spew("/proc/sys/kernel/sched_rt_runtime_us", "950000");

	end = now() + 500 * MSEC;
	for (n = 0;; n++) {
		int64_t *time = &times[n % WINDOW], before = *time;

		if (!trace_next(UPDATE, time, end))
			break;
		ck_assert_msg(!before || *time - before > 100 * MSEC,
			      "%d updates of 20 ms in %.3f s", WINDOW,
			      (double)(*time - before) / SEC);
	}
	ck_assert_int_gt(n, 10);
}

TEST(setting_the_clock_does_not_move_the_updates, .parameters = SOON, .needs = TRACING)
{
	static const time_t jumps[] = { 86400, -86400, 365 * 86400, -365 * 86400 };
	struct timespec ts;
	size_t i;
	int n;

	trace_begin();
	enroll(getpid());
	trace_count(UPDATE, 100 * MSEC);
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		OK(clock_gettime(CLOCK_REALTIME, &ts));
		ts.tv_sec += jumps[i];
		OK(clock_settime(CLOCK_REALTIME, &ts));
		n = trace_count(UPDATE, 500 * MSEC);
		ck_assert_msg(n >= 23 && n <= 27, "%d updates in 0.5 s of 20 ms periods", n);
	}
}
