// SPDX-License-Identifier: GPL-2.0-only
/* default_period.c - runs in its own machine, so that others can run while this one waits */
#include <unistd.h>

#include "harness.h"

TEST(ten_updates_at_the_default_period_take_50_seconds,
	.parameters = "", .seconds = 90, .needs = TRACING)
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
