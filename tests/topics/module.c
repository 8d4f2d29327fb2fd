// SPDX-License-Identifier: GPL-2.0-only
/* module.c - loading, unloading at any moment, and the log */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

TEST(load_and_unload_say_one_line_each, .parameters = NOT_LOADED)
{
	char *log;

	load_and_unload();
	log_mark();
	ck_assert_int_eq(load_module("period_ms=700"), 0);
	ck_assert_int_eq(log_lines(&log), 1);
	ck_assert_ptr_nonnull(strstr(log, "mp1: version "));
	ck_assert_ptr_nonnull(strstr(log, "every 700 ms"));
	log_mark();
	ck_assert_int_eq(unload_module(), 0);
	ck_assert_int_eq(log_lines(&log), 1);
	ck_assert_ptr_nonnull(strstr(log, "mp1: unloaded"));
}

/* Everything that a user can cause: registrations, exits, updates, errors */
static void cause_everything(pid_t *pid)
{
	*pid = spawn_idle();
	enroll(*pid);
	ck_assert_int_eq(write_pid(-*pid), 0);
	enroll(*pid);
	ck_assert_int_eq(write_text("nonsense"), EINVAL);
	ck_assert_int_eq(write_pid(-1), ESRCH);
	finish(*pid);
	await_update();
}

TEST(nothing_that_a_user_does_shows_in_the_log, .parameters = SOON)
{
	char *log;
	pid_t pid;

	log_mark();
	cause_everything(&pid);
	ck_assert_msg(log_lines(&log) == 0, "%s", log);
}

TEST(dynamic_debug_shows_registrations_exits_and_updates,
	.parameters = SOON, .needs = "/proc/dynamic_debug/control")
{
	char *log;
	char text[64];
	pid_t pid;

	spew("/proc/dynamic_debug/control", "module mp1 +p");
	log_mark();
	cause_everything(&pid);
	log_lines(&log);
	snprintf(text, sizeof(text), "mp1: %d: registered", pid);
	ck_assert_ptr_nonnull(strstr(log, text));
	snprintf(text, sizeof(text), "mp1: %d: unregistered", pid);
	ck_assert_ptr_nonnull(strstr(log, text));
	snprintf(text, sizeof(text), "mp1: %d: exited after ", pid);
	ck_assert_ptr_nonnull(strstr(log, text));
	ck_assert_ptr_nonnull(strstr(log, "mp1: updated 1 process"));
}

TEST(unload_with_the_file_open_cuts_it_off)
{
	int fd = status_open(), half = status_open();
	char c;

	enroll(getpid());
	enroll(1);
	ck_assert_int_eq(OK(read(half, &c, 1)), 1);
	ck_assert_int_eq(unload_module(), 0);
	ck_assert_int_eq(read(fd, &c, 1), -1);
	ck_assert_int_eq(write(fd, "1", 1), -1);
	ck_assert_int_eq(read(half, &c, 1), -1);
	ck_assert_int_eq(load_module(NEVER), 0);	/* does not revive descriptors */
	ck_assert_int_eq(read(fd, &c, 1), -1);
	close(fd);
	close(half);
	ck_assert_int_eq(lines(), 0);
}

/* Count objects of about the size of the module's. */
static long small_objects(void)
{
	char *slabs = slurp("/proc/slabinfo"), *line;
	long all = 0;

	for (line = strtok(slabs, "\n"); line; line = strtok(NULL, "\n")) {
		long size;

		if (sscanf(line, "kmalloc-%*s %*d %*d %ld", &size) != 1 || size > 512)
			continue;
		*strchr(line, ' ') = '\0';
		all += objects(line);
	}
	free(slabs);
	return all;
}

TEST(unload_with_thousands_registered_leaves_nothing, .needs = "/proc/slabinfo")
{
	enum { MANY = 2000 };
	static pid_t pids[MANY];
	long before = process_objects(), small;
	int i;

	/* At unload, half are alive; the others were reaped, and only the module holds them. */
	spawn_many(pids, MANY);
	small = small_objects();
	for (i = 0; i < 2 * MANY; i++)
		enroll(pids[i % MANY]);	/* each twice; the second time changes nothing */
	ck_assert_int_ge(small_objects() - small, MANY / 2);
	for (i = 0; i < MANY; i += 2)
		finish(pids[i]);
	ck_assert_int_eq(lines(), MANY);
	ck_assert_int_eq(unload_module(), 0);
	ck_assert_int_lt(small_objects() - small, MANY / 2);
	for (i = 1; i < MANY; i += 2)
		finish(pids[i]);
	await_few(process_objects, before + MANY / 2);	/* a leak would leave MANY */
	ck_assert_int_eq(load_module(NEVER), 0);
}

/* Dropping them all takes a while, in which the timer could expire. */
TEST(unload_with_thousands_registered_while_the_timer_runs,
	.parameters = NOT_LOADED, .seconds = 180)
{
	enum { MANY = 2000 };
	static pid_t pids[MANY];
	const int rounds = finds_bugs() ? 5 : 20;
	int i, round;

	spawn_many(pids, MANY);
	for (round = 0; round < rounds; round++) {
		ck_assert_int_eq(load_module("period_ms=10"), 0);
		for (i = 0; i < MANY; i++)
			enroll(pids[i]);
		ck_assert_int_eq(unload_module(), 0);
	}
}

/*
 * The module frees dropped processes after a grace period. The kernel frees the module after
 * another one, which this test makes expedited, so that it is over at once.
 */
TEST(unload_waits_until_the_last_process_was_freed, .needs = "/sys/kernel/rcu_normal")
{
	static pid_t pids[100];
	char *normal = slurp("/sys/kernel/rcu_normal");	/* 1 on real-time kernels */
	size_t i;

	spawn_many(pids, ARRAY_SIZE(pids));
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		enroll(pids[i]);
	spew("/sys/kernel/rcu_normal", "0");
	spew("/sys/kernel/rcu_expedited", "1");
	ck_assert_int_eq(unload_module(), 0);
	spew("/sys/kernel/rcu_expedited", "0");
	spew("/sys/kernel/rcu_normal", normal);
	free(normal);
	/* Two more grace periods: a forgotten process would be freed by a function that is gone. */
	for (i = 0; i < 2; i++)
		OK(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0));
	ck_assert_int_eq(load_module(NEVER), 0);
}

TEST(load_and_unload_a_hundred_times, .parameters = NOT_LOADED)
{
	int i;

	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(load_module("period_ms=10"), 0);
		if (i % 2)
			enroll(getpid());
		ck_assert_int_eq(lines(), i % 2);
		ck_assert_int_eq(unload_module(), 0);
	}
}

static volatile bool hammering;

static void *hammer(void *unused)
{
	char buffer[512], text[16];

	setpriority(PRIO_PROCESS, 0, 10);	/* so that the other thread can load and unload */
	snprintf(text, sizeof(text), "%d", getpid());
	while (hammering) {
		int fd = open(STATUS, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			continue;
		for (int i = 0; i < 20; i++) {
			char child_text[16];
			pid_t child;

			if (write(fd, text, strlen(text)) < 0)
				break;
			while (read(fd, buffer, sizeof(buffer)) > 0)
				;
			lseek(fd, 0, SEEK_SET);
			if (i % 5)
				continue;
			child = fork();
			if (!child)
				_exit(0);
			snprintf(child_text, sizeof(child_text), "%d", child);
			if (write(fd, child_text, strlen(child_text)) < 0)
				i = 20;
			waitpid(child, NULL, 0);
		}
		close(fd);
	}
	return unused;
}

TEST(unload_at_any_moment_while_others_fork_register_read_and_exit,
	.parameters = NOT_LOADED, .seconds = 300)
{
	const int rounds = finds_bugs() ? 500 : 80;
	pthread_t threads[8];
	int i;

	hammering = true;
	for (i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, hammer, NULL);
	for (i = 0; i < rounds; i++) {
		ck_assert_int_eq(load_module("period_ms=10"), 0);
		enroll(getpid());
		/* The timer expires after 10 ms: unload from just before that to after the work. */
		nap(8 * MSEC + i * 8 * MSEC / rounds);
		ck_assert_int_eq(unload_module(), 0);
	}
	hammering = false;
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}
