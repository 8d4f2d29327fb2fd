// SPDX-License-Identifier: GPL-2.0-only
/* period.c - when updates come, and that nothing runs when nothing is registered */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define UPDATE		"function mp1_update"
#define EXPIRE		"function=mp1_expire [mp1] now="	/* not its start */

START_TEST(ten_updates_at_the_default_period_take_50_seconds)
{
	int64_t first, last = 0;
	double period;
	int i;

	trace_begin();
	enroll(getpid());
	ck_assert(trace_next(UPDATE, &first, now() + 30 * SEC));
	for (i = 0; i < 10; i++)
		ck_assert(trace_next(UPDATE, &last, now() + 30 * SEC));
	period = (double)(last - first) / 10 / SEC;
	ck_assert_msg(period > 4.95 && period < 5.05, "%.3f s from update to update", period);
}
END_TEST

/* In virtual time, where no busy host delays an update or lets one be missed */
START_TEST(a_period_that_is_no_whole_number_of_ticks_is_exact_too)
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
END_TEST

START_TEST(an_hour_has_720_updates)
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
	/* Check stumbles over durations whose lower 32 bits of microseconds are negative. */
	nap(800 * SEC);
	ck_assert_msg(n >= 719 && n <= 721, "%d updates", n);
}
END_TEST

START_TEST(the_first_update_comes_a_period_after_the_first_registration)
{
	int64_t start, when;

	trace_begin();
	nap(300 * MSEC);	/* it is the registration that counts, not the load */
	start = now();
	enroll(getpid());
	ck_assert(trace_next(UPDATE, &when, start + 20 * SEC));
	ck_assert_msg(when - start > 490 * MSEC && when - start < 800 * MSEC, "after %.3f s",
		      (double)(when - start) / SEC);
}
END_TEST

/* Nothing of the module's timer must happen in 25 periods of 20 ms. */
static void assert_idle(void)
{
	int64_t end = now() + 500 * MSEC;

	ck_assert(!trace_next("mp1_", NULL, end));
}

START_TEST(a_loaded_module_without_a_registered_process_runs_no_timer)
{
	trace_begin();
	assert_idle();
	ck_assert_int_eq(write_pid(-1), ESRCH);
	ck_assert_int_eq(lines(), 0);
	assert_idle();
}
END_TEST

START_TEST(the_timer_stops_when_the_last_registration_is_taken_back)
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
		while (trace_next("mp1_", NULL, 0))
			;	/* what happened until now */
		assert_idle();
	}
}
END_TEST

START_TEST(the_timer_stops_when_the_last_registered_process_has_gone)
{
	pid_t pid = spawn_idle();

	trace_begin();
	enroll(pid);
	finish(pid);
	while (listed(pid) != -1)
		nap(MSEC);
	while (trace_next("mp1_", NULL, 0))
		;
	assert_idle();
}
END_TEST

START_TEST(the_timer_expires_once_an_update)
{
	int64_t end;
	int expiries = 0;

	trace_begin();
	enroll(getpid());
	for (end = now() + SEC; trace_next(EXPIRE, NULL, end);)
		expiries++;
	ck_assert_msg(expiries >= (finds_bugs() ? 20 : 30) && expiries <= 51,
		      "%d expiries in 1 s of 20 ms periods", expiries);
}
END_TEST

START_TEST(a_period_out_of_range_is_einval_and_one_line_in_the_log)
{
	static const char *const bad[] = { "0", "9", "3600001", "4294967295" };
	char text[32], *log, *line;
	size_t i;

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
END_TEST

START_TEST(the_period_can_be_read_in_sysfs_and_not_written)
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
END_TEST

void test_period(void)
{
	RUN(the_first_update_comes_a_period_after_the_first_registration, 30, "period_ms=500");
	RUN(a_loaded_module_without_a_registered_process_runs_no_timer, 20, SOON);
	RUN(the_timer_stops_when_the_last_registration_is_taken_back, 30, SOON);
	RUN(the_timer_stops_when_the_last_registered_process_has_gone, 30, SOON);
	RUN(the_timer_expires_once_an_update, 30, SOON);
	RUN(a_period_out_of_range_is_einval_and_one_line_in_the_log, 30, NOT_LOADED);
	RUN(the_period_can_be_read_in_sysfs_and_not_written, 10, "");
}

/* By itself, so that the machine may do something else meanwhile */
void test_default_period(void)
{
	RUN(ten_updates_at_the_default_period_take_50_seconds, 90, "");
}

/* In virtual time: see vm/boot -v */
void test_hour(void)
{
	RUN(a_period_that_is_no_whole_number_of_ticks_is_exact_too, 60, "period_ms=10");
	RUN(an_hour_has_720_updates, 7200, "");
}
