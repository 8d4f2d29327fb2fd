// SPDX-License-Identifier: GPL-2.0-only
/* day.c - a day of processes that come and go, in virtual time (vm/boot -v): some minutes */
#include <unistd.h>

#include "harness.h"

static void work_now_and_then(void *unused)
{
	(void)unused;
	for (;;) {
		burn(MSEC);
		nap(20 * SEC);
	}
}

TEST(a_day_leaves_nothing, .parameters = NOT_LOADED, .seconds = 90000, .needs = "/proc/slabinfo")
{
	enum { MINUTES = 24 * 60 };
	pid_t stays = spawn(work_now_and_then, NULL);
	int64_t start = now(), last = 0, value;
	long before = process_objects();
	int i;

	/* A day is one of the durations that Check does not mishandle (hour.c). */
	for (i = 0; i < MINUTES; i++) {
		pid_t ends = spawn_idle(), goes = spawn_idle();

		if (i % 60 == 0) {		/* unload with a process registered */
			if (i)
				ck_assert_int_eq(unload_module(), 0);
			must_load("");
			enroll(stays);
		}
		enroll(ends);
		enroll(goes);
		ck_assert_int_eq(lines(), 3);
		ck_assert_int_eq(write_pid(-goes), 0);
		finish(ends);
		finish(goes);
		nap(60 * SEC);
		ck_assert_int_eq(lines(), 1);
		value = listed(stays);
		ck_assert_msg(value > last, "minute %d: from %ld to %ld ns", i, (long)last,
			      (long)value);
		last = value;
	}
	note("%.2f hours; %.3f s of user time", (double)(now() - start) / SEC / 3600,
	     (double)last / SEC);
	ck_assert_int_eq(unload_module(), 0);
	await_few(process_objects, before + 20);
}
