// SPDX-License-Identifier: GPL-2.0-only
/* limits.c - more processes than anybody has */
#define _GNU_SOURCE
#include <stdio.h>

#include "harness.h"

enum { MANY = 50000 };

static pid_t pids[MANY];

static void enroll_all(void)
{
	int i;

	for (i = 0; i < MANY; i++)
		enroll(pids[i]);
	ck_assert_int_eq(lines(), MANY);
}

START_TEST(fifty_thousand_processes_register_are_updated_listed_unloaded_and_go)
{
	int64_t start = now();
	int i;

	spawn_many(pids, MANY);
	note("%d processes after %.1f s", MANY, (double)(now() - start) / SEC);
	enroll_all();
	note("registered after %.1f s", (double)(now() - start) / SEC);
	await_update();
	await_update();
	ck_assert_int_eq(lines(), MANY);
	for (i = 0; i < MANY; i += 2)
		ck_assert_int_eq(write_pid(-pids[i]), 0);
	ck_assert_int_eq(lines(), MANY / 2);
	note("updated, listed, and half taken back after %.1f s", (double)(now() - start) / SEC);
	enroll_all();
	ck_assert_int_eq(unload_module(), 0);
	ck_assert_int_eq(load_module(SOON), 0);
	ck_assert_int_eq(lines(), 0);
	enroll_all();
	note("unloaded, loaded and registered again after %.1f s", (double)(now() - start) / SEC);
	finish_many();
	await_update();
	await_update();
	ck_assert_int_eq(lines(), 0);
	note("gone after %.1f s", (double)(now() - start) / SEC);
}
END_TEST

void test_limits(void)
{
	RUN(fifty_thousand_processes_register_are_updated_listed_unloaded_and_go, 600, SOON);
}
