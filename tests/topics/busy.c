// SPDX-License-Identifier: GPL-2.0-only
/* busy.c - updates on a busy machine, and when the clock is set */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

TEST(updates_come_while_all_cpus_are_busy, .parameters = "period_ms=100", .needs = TRACING)
{
	long i;
	int n;

	for (i = 0; i < 2 * sysconf(_SC_NPROCESSORS_ONLN); i++)
		spawn(burn_forever, NULL);
	trace_begin();
	enroll(getpid());
	n = trace_count(UPDATE, 5 * SEC);	/* the period is 100 ms */
	ck_assert_msg(n >= 35 && n <= 51, "%d updates in 5 s of 100 ms periods", n);
}

/* While this runs on each CPU, nothing else does, not even the kernel's workers. */
static void hog(void *cpu)
{
	struct sched_param param = { .sched_priority = 50 };
	int64_t end = now() + SEC;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)(intptr_t)cpu, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
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
		ck_assert_msg(n >= 15 && n <= 27, "%d updates in 0.5 s of 20 ms periods", n);
	}
}
