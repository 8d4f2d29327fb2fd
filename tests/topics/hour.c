// SPDX-License-Identifier: GPL-2.0-only
/* hour.c - runs in virtual time (vm/boot -v), where a busy host delays no update */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
