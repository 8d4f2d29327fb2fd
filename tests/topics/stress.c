// SPDX-License-Identifier: GPL-2.0-only
/* stress.c - everything at once */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { THREADS = 8, MANY = 500 };

static atomic_bool stop;
static atomic_int rounds;

/* Let @n threads run @run, which returns NULL or a complaint, for @ns. */
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

/* Fork, register, unregister some, read, kill and reap; no result may be unexpected. */
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
			err = send_pid(fd, pids[i]);
			if (err)
				return "registering a child failed";
		}
		for (i = 0; i < 5; i++) {
			if (i % 2 && send_pid(fd, -pids[i]))
				return "unregistering a child failed";
			lseek(fd, 0, SEEK_SET);
			while (read(fd, buffer, sizeof(buffer) - (size_t)i * 100) > 0)
				;
			kill(pids[i], SIGKILL);
			if (waitpid(pids[i], NULL, 0) != pids[i])
				return "a child is lost";
			err = send_pid(fd, -pids[i]);
			if (err != ESRCH && err)	/* 0: another thread's child has the PID */
				return "unregistering a reaped process is not ESRCH";
		}
		send_pid(fd, getpid());
		atomic_fetch_add(&rounds, 1);
	}
	close(fd);
	return unused;
}

TEST(eight_threads_fork_register_unregister_read_and_exit, .parameters = "period_ms=10")
{
	rage(THREADS, storm, (finds_bugs() ? 10 : 4) * SEC);
	ck_assert_int_gt(atomic_load(&rounds), THREADS);
	await_update();
	ck_assert_int_ge(listed(getpid()), 0);
	ck_assert_int_eq(lines(), 1);
}

/* Read the whole list again and again; it must always have MANY lines. */
static void *read_many(void *unused)
{
	while (!atomic_load(&stop)) {
		if (lines() != MANY)
			return "a line is missing, or is there twice";
		atomic_fetch_add(&rounds, 1);
	}
	return unused;
}

/* Data race finders need reads and updates of one process at the same time. */
TEST(many_are_read_while_updates_go_over_them, .parameters = "period_ms=10")
{
	static pid_t pids[MANY];
	int i;

	spawn_many(pids, MANY);
	for (i = 0; i < MANY; i++)
		enroll(pids[i]);
	rage(2, read_many, (finds_bugs() ? 30 : 2) * SEC);
	ck_assert_int_gt(atomic_load(&rounds), 10);
}

static int shared_fd;

/* Read, seek and write through one descriptor; whatever others do, reads return text. */
static void *share(void *unused)
{
	char text[3000];
	unsigned int i = 0;
	ssize_t n;

	while (!atomic_load(&stop)) {
		n = i % 5 ? read(shared_fd, text, 1 + i * 7 % sizeof(text)) :
			    pread(shared_fd, text, sizeof(text), (off_t)(i % 3 * 1000));
		if (n < 0)
			return "a read failed";
		while (n--)
			if (!text[n] || !strchr("\n: 0123456789", text[n]))
				return "a read returned something other than text";
		if (lseek(shared_fd, (i % 4 ? -100 : 500), SEEK_CUR) < 0 &&
		    lseek(shared_fd, 0, SEEK_SET))
			return "a seek failed";
		if (send_pid(shared_fd, i % 2 ? -getpid() : getpid()) &&
		    send_pid(shared_fd, getpid()))
			return "a write failed";
		i++;
		atomic_fetch_add(&rounds, 1);
	}
	return unused;
}

TEST(threads_that_share_a_descriptor_read_seek_and_write, .parameters = "period_ms=10")
{
	static pid_t pids[MANY];
	int i;

	spawn_many(pids, MANY);
	for (i = 0; i < MANY; i++)
		enroll(pids[i]);
	shared_fd = status_open();
	rage(4, share, (finds_bugs() ? 20 : 2) * SEC);
	ck_assert_int_gt(atomic_load(&rounds), 10);
}

/* One of two threads that register and unregister the same process */
static void *duel(void *unused)
{
	int fd = status_open(), err;

	while (!atomic_load(&stop)) {
		if (send_pid(fd, getpid()))
			return "registering failed";
		err = send_pid(fd, -getpid());
		if (err && err != ESRCH)	/* the other one was quicker */
			return "unregistering failed";
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

/* In a namespace, where the process has a different PID */
TEST(two_threads_register_and_unregister_one_process,
	.parameters = "period_ms=10", .needs = PID_NAMESPACES)
{
	OK(unshare(CLONE_NEWPID));
	ck_assert_int_eq(wait_status(spawn(duel_inside, NULL)), 0);
}

static atomic_int target;

enum { DUELS = 3000 };
static atomic_int drawn, aimed, fired, winners;

/* Unregister the target when the other thread does. */
static void fire(int fd, int duel)
{
	atomic_fetch_add(&aimed, 1);
	while (atomic_load(&aimed) < 2 * duel + 2)
		;
	if (!send_pid(fd, -atomic_load(&target)))
		atomic_fetch_add(&winners, 1);
	atomic_fetch_add(&fired, 1);
}

static void *second_duellist(void *unused)
{
	int fd = status_open(), i;

	for (i = 0; i < DUELS; i++) {
		while (atomic_load(&drawn) <= i)
			;
		fire(fd, i);
	}
	close(fd);
	return unused;
}

TEST(of_two_that_unregister_a_process_one_succeeds, .parameters = SOON,
	.skip = one_cpu)
{
	int fd = status_open(), i;
	pthread_t thread;

	atomic_store(&target, spawn_idle());
	ck_assert_int_eq(pthread_create(&thread, NULL, second_duellist, NULL), 0);
	for (i = 0; i < DUELS; i++) {
		while (atomic_load(&fired) < 2 * i)
			;
		ck_assert_int_eq(send_pid(fd, atomic_load(&target)), 0);
		atomic_store(&drawn, i + 1);
		fire(fd, i);
	}
	pthread_join(thread, NULL);
	ck_assert_int_eq(lines(), 0);
	ck_assert_int_eq(atomic_load(&winners), DUELS);
}

static void *register_target(void *unused)
{
	int fd = status_open(), err;

	while (!atomic_load(&stop)) {
		err = send_pid(fd, atomic_load(&target));
		if (err && err != ESRCH)
			return "registering failed";
	}
	close(fd);
	return unused;
}

TEST(a_process_reaped_while_it_is_registered_does_not_stay, .parameters = "period_ms=10")
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

static void sleep_on_many_threads(void *ready)
{
	start_threads(finds_bugs() ? 500 : 2000, idle);
	atomic_store((atomic_int *)ready, 1);
	idle(NULL);
}

/* In one batch, an update spends long on the process with many threads. */
TEST(a_process_unregistered_and_reaped_during_an_update_goes_once, .parameters = "period_ms=10")
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
		ck_assert_int_eq(send_pid(fd, pid), 0);
		ck_assert_int_eq(send_pid(fd, slow), 0);	/* lower, so before it */
		OK(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
		ck_assert_int_eq(send_pid(fd, -pid), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		ck_assert_int_eq(send_pid(fd, -slow), 0);
	} while (now() < end);
	ck_assert_int_eq(lines(), 0);
}
