// SPDX-License-Identifier: GPL-2.0-only
/* stress.c - everything at once */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { THREADS = 8, MANY = 500 };

static atomic_bool stop;
static atomic_int rounds;

/* Let @n threads do @run for @ns; it returns NULL or a complaint. */
static void rage(int n, void *(*run)(void *unused), int64_t ns)
{
	pthread_t threads[n];
	void *complaint;
	int i;

	for (i = 0; i < n; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run, NULL), 0);
	nap(ns);
	atomic_store(&stop, true);
	for (i = 0; i < n; i++) {
		pthread_join(threads[i], &complaint);
		ck_assert_msg(!complaint, "%s", (char *)complaint);
	}
}

/* Fork, register, let some exit, take some back, read; no answer may surprise. */
static void *storm(void *unused)
{
	int fd = status_open(), i, err;
	char buffer[1000];

	while (!atomic_load(&stop)) {
		pid_t pids[5];

		for (i = 0; i < 5; i++) {
			pids[i] = fork();
			if (!pids[i])
				for (;;)
					pause();
			err = put_pid(fd, pids[i]);
			if (err)
				return "registering a child failed";
		}
		for (i = 0; i < 5; i++) {
			if (i % 2 && put_pid(fd, -pids[i]))
				return "taking a child back failed";
			lseek(fd, 0, SEEK_SET);
			while (read(fd, buffer, sizeof(buffer) - (size_t)i * 100) > 0)
				;
			kill(pids[i], SIGKILL);
			if (waitpid(pids[i], NULL, 0) != pids[i])
				return "a child is lost";
			err = put_pid(fd, -pids[i]);
			if (err != ESRCH && err)	/* 0: another thread's child has the PID */
				return "taking back who has gone is not ESRCH";
		}
		put_pid(fd, getpid());
		atomic_fetch_add(&rounds, 1);
	}
	close(fd);
	return unused;
}

START_TEST(eight_threads_fork_register_take_back_read_and_exit)
{
	rage(THREADS, storm, (finds_bugs() ? 10 : 4) * SEC);
	ck_assert_int_gt(atomic_load(&rounds), THREADS);
	await_update();
	ck_assert_int_ge(listed(getpid()), 0);
	ck_assert_int_eq(lines(), 1);
}
END_TEST

/* Read the whole list again and again; MANY lines are to be on it, always. */
static void *read_many(void *unused)
{
	while (!atomic_load(&stop)) {
		if (lines() != MANY)
			return "a line is missing, or was there twice";
		atomic_fetch_add(&rounds, 1);
	}
	return unused;
}

/* Reading and updating one process at the same time is what data race finders wait for. */
START_TEST(many_are_read_while_updates_go_over_them)
{
	static pid_t pids[MANY];
	int i;

	spawn_many(pids, MANY);
	for (i = 0; i < MANY; i++)
		enroll(pids[i]);
	rage(2, read_many, (finds_bugs() ? 30 : 2) * SEC);
	ck_assert_int_gt(atomic_load(&rounds), 10);
}
END_TEST

/* One of two who register and take back the same process, until it is time to stop */
static void *duel(void *unused)
{
	int fd = status_open(), err;

	while (!atomic_load(&stop)) {
		if (put_pid(fd, getpid()))
			return "registering failed";
		err = put_pid(fd, -getpid());
		if (err && err != ESRCH)	/* the other one was quicker */
			return "taking back failed";
		atomic_fetch_add(&rounds, 1);
	}
	close(fd);
	return unused;
}

static void duel_inside(void *unused)
{
	(void)unused;
	rage(2, duel, 2 * SEC);
	ck_assert_int_gt(atomic_load(&rounds), 10);
	ck_assert_int_eq(lines(), 0);
	enroll(getpid());
	ck_assert_int_eq(lines(), 1);
}

/* In a namespace, where its number is another one */
START_TEST(two_register_and_take_back_one_process)
{
	OK(unshare(CLONE_NEWPID));
	ck_assert_int_eq(wait_status(spawn(duel_inside, NULL)), 0);
}
END_TEST

static atomic_int target;

static void *register_target(void *unused)
{
	int fd = status_open(), err;

	while (!atomic_load(&stop)) {
		err = put_pid(fd, atomic_load(&target));
		if (err && err != ESRCH)
			return "registering failed";
	}
	close(fd);
	return unused;
}

START_TEST(who_is_reaped_while_it_is_registered_does_not_stay)
{
	int64_t end = now() + 2 * SEC;
	pthread_t thread;
	void *complaint;
	pid_t pid;

	atomic_store(&target, getpid());
	pthread_create(&thread, NULL, register_target, NULL);
	do {
		pid = OK(fork());
		if (!pid)
			_exit(0);
		atomic_store(&target, pid);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		ck_assert_int_eq(write_pid(pid), ESRCH);
	} while (now() < end);
	atomic_store(&stop, true);
	pthread_join(thread, &complaint);
	ck_assert_msg(!complaint, "%s", (char *)complaint);
	await_update();
	ck_assert_int_le(lines(), 1);	/* our own, from the beginning */
}
END_TEST

static void *sleep_on(void *unused)
{
	idle(unused);
	return NULL;
}

static void sleep_on_many_threads(void *ready)
{
	pthread_attr_t small;
	pthread_t thread;
	int i;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (i = 0; i < (finds_bugs() ? 500 : 2000); i++)
		pthread_create(&thread, &small, sleep_on, NULL);
	atomic_store((atomic_int *)ready, i);
	idle(NULL);
}

/* An update takes a batch off the list, and long for the one with many threads in it. */
START_TEST(who_is_taken_back_and_reaped_during_an_update_goes_once)
{
	atomic_int *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t slow = spawn(sleep_on_many_threads, ready), pid;
	int fd = status_open();
	int64_t end;

	while (!atomic_load(ready))
		nap(MSEC);
	end = now() + 3 * SEC;
	do {
		pid = OK(fork());
		if (!pid)
			_exit(0);
		ck_assert_int_eq(put_pid(fd, pid), 0);
		ck_assert_int_eq(put_pid(fd, slow), 0);	/* later, so before it in the list */
		OK(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
		ck_assert_int_eq(put_pid(fd, -pid), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		ck_assert_int_eq(put_pid(fd, -slow), 0);
	} while (now() < end);
	ck_assert_int_eq(lines(), 0);
}
END_TEST

void test_stress(void)
{
	RUN(eight_threads_fork_register_take_back_read_and_exit, 60, "period_ms=10");
	RUN(many_are_read_while_updates_go_over_them, 40, "period_ms=10");
	RUN(two_register_and_take_back_one_process, 20, "period_ms=10");
	RUN(who_is_reaped_while_it_is_registered_does_not_stay, 20, "period_ms=10");
	RUN(who_is_taken_back_and_reaped_during_an_update_goes_once, 40, "period_ms=10");
}
