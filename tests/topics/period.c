// SPDX-License-Identifier: GPL-2.0-only
/* period.c - when updates happen, and that nothing runs while nothing is registered */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

/* In 25 periods of 20 ms, there must be no event of the module. */
static void assert_idle(void)
{
	int64_t end = now() + 500 * MSEC;

	ck_assert(!trace_next("mp1_", NULL, end));
}

TEST(a_loaded_module_without_a_registered_process_runs_no_timer,
	.parameters = SOON, .needs = TRACING)
{
	trace_begin();
	assert_idle();
	ck_assert_int_eq(write_pid(-1), ESRCH);
	ck_assert_int_eq(lines(), 0);
	assert_idle();
}

/* Nor from now on, except that an update may begin which the timer has queued before. */
static void assert_stopped(void)
{
	ck_assert_int_le(trace_count("mp1_", 500 * MSEC), 1);
}

TEST(the_timer_stops_when_the_last_process_is_unregistered, .parameters = SOON, .needs = TRACING)
{
	int i;

	trace_begin();
	for (i = 0; i < 3; i++) {
		enroll(getpid());
		enroll(1);
		ck_assert(trace_next(EXPIRE, NULL, now() + 5 * SEC));
		ck_assert(trace_next(UPDATE, NULL, now() + 5 * SEC));
		ck_assert_int_eq(write_pid(-1), 0);
		ck_assert(trace_next(UPDATE, NULL, now() + 5 * SEC));
		ck_assert_int_eq(write_pid(-getpid()), 0);
		assert_stopped();
	}
}

TEST(the_timer_stops_when_the_last_registered_process_is_reaped,
	.parameters = SOON, .needs = TRACING)
{
	pid_t pid = spawn_idle();

	trace_begin();
	enroll(pid);
	finish(pid);
	while (listed(pid) != -1)
		nap(MSEC);
	assert_stopped();
}

static const char *short_ticks(void)
{
	struct timespec tick;

	OK(clock_getres(CLOCK_MONOTONIC_COARSE, &tick));
	return tick.tv_nsec < 10 * MSEC ? "this kernel has more than 100 ticks a second" : NULL;
}

/* The timer wheel is a tick late: unless mp1 allows for that, each second update is lost. */
TEST(a_period_of_one_tick_is_kept, .parameters = "period_ms=10", .skip = short_ticks)
{
	int64_t start = now(), last = -1, time;
	int updates = 0;
	volatile int i;

	enroll(getpid());
	while (now() < start + 2 * SEC) {
		for (i = 0; i < 100000; i++)
			;
		time = listed(getpid());	/* each update changes it */
		updates += time != last;
		last = time;
	}
	ck_assert_msg(updates > 140 && updates < 210, "%d updates in 2 s", updates);
}

TEST(a_period_out_of_range_is_einval_and_one_line_in_the_log, .parameters = NOT_LOADED)
{
	static const char *const bad[] = { "0", "9", "3600001", "4294967295" };
	char text[32], *log, *line;
	size_t i;

	load_and_unload();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		log_mark();
		snprintf(text, sizeof(text), "period_ms=%s", bad[i]);
		ck_assert_int_eq(load_module(text), EINVAL);
		ck_assert_int_eq(log_lines(&log), 1);
		line = strstr(log, "mp1: ");
		snprintf(text, sizeof(text), "period_ms=%s is not", bad[i]);
		ck_assert_msg(!!strstr(line, text), "%s", line);
	}
	ck_assert_int_eq(load_module("period_ms=x"), EINVAL);
	ck_assert_int_eq(load_module("period_ms=-1"), EINVAL);
	ck_assert_int_eq(load_module("period_ms=10"), 0);
	ck_assert_int_eq(unload_module(), 0);
	ck_assert_int_eq(load_module("period_ms=3600000"), 0);
	ck_assert_int_eq(unload_module(), 0);
}

TEST(the_period_can_be_read_in_sysfs_and_not_written, .parameters = "")
{
	static const char path[] = "/sys/module/mp1/parameters/period_ms";
	char *text = slurp(path);

	ck_assert_str_eq(text, "5000\n");
	OK(seteuid(NOBODY));
	text = slurp(path);
	ck_assert_str_eq(text, "5000\n");
	ck_assert_int_eq(open(path, O_WRONLY), -1);
	OK(seteuid(0));
}
