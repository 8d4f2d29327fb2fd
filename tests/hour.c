// SPDX-License-Identifier: GPL-2.0-only
/* hour.c - runs in virtual time (vm/boot -v), where a busy host delays no update */
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

TEST(a_period_that_is_no_whole_number_of_ticks_is_exact_too,
	.parameters = "period_ms=10", .seconds = 60, .needs = TRACING)
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
