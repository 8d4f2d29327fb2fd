// SPDX-License-Identifier: GPL-2.0-only
/* limits.c - more processes than anybody runs */
#define _GNU_SOURCE
#include <unistd.h>

#include "harness.h"

enum { MANY = 50000 };

static pid_t pids[MANY];

static void enroll_each(int step)
{
	int fd = status_open(), i;

	for (i = 0; i < MANY; i += step)
		ck_assert_int_eq(send_pid(fd, pids[i]), 0);
	close(fd);
	ck_assert_int_eq(lines(), MANY / step);
}

TEST(fifty_thousand_processes_register_are_updated_listed_unloaded_and_go,
	.parameters = SOON, .seconds = 600)
{
	int64_t start = now();
	int i;

	spawn_many(pids, MANY);
	note("%d processes after %.1f s", MANY, (double)(now() - start) / SEC);
	enroll_each(1);
	note("registered after %.1f s", (double)(now() - start) / SEC);
	await_update();
	ck_assert_int_eq(lines(), MANY);
	note("updated and listed after %.1f s", (double)(now() - start) / SEC);
	ck_assert_int_eq(unload_module(), 0);
	ck_assert_int_eq(load_module(SOON), 0);
	enroll_each(2);
	for (i = 0; i < MANY; i += 4)
		ck_assert_int_eq(write_pid(-pids[i]), 0);
	ck_assert_int_eq(lines(), MANY / 4);
	note("unloaded, half registered again, a quarter unregistered after %.1f s",
	     (double)(now() - start) / SEC);
	finish_many();
	await_update();
	ck_assert_int_eq(lines(), 0);
	note("gone after %.1f s", (double)(now() - start) / SEC);
}
