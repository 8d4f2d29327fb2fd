// SPDX-License-Identifier: GPL-2.0-only
/* stress.c - everything at once */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { THREADS = 8, SECONDS = 10 };

static atomic_bool stop;
static atomic_int rounds;

static int put(int fd, pid_t pid)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", pid);

	return write(fd, text, (size_t)n) == n ? 0 : errno;
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
			err = put(fd, pids[i]);
			if (err)
				return "registering a child failed";
		}
		for (i = 0; i < 5; i++) {
			if (i % 2 && put(fd, -pids[i]))
				return "taking a child back failed";
			lseek(fd, 0, SEEK_SET);
			while (read(fd, buffer, sizeof(buffer) - (size_t)i * 100) > 0)
				;
			kill(pids[i], SIGKILL);
			if (waitpid(pids[i], NULL, 0) != pids[i])
				return "a child is lost";
			err = put(fd, -pids[i]);
			if (err != ESRCH && err)	/* 0: another thread's child has the PID */
				return "taking back who has gone is not ESRCH";
		}
		put(fd, getpid());
		atomic_fetch_add(&rounds, 1);
	}
	close(fd);
	return unused;
}

START_TEST(eight_threads_fork_register_take_back_read_and_exit)
{
	pthread_t threads[THREADS];
	void *complaint;
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, storm, NULL);
	nap(SECONDS * SEC);
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &complaint);
		ck_assert_msg(!complaint, "%s", (char *)complaint);
	}
	ck_assert_int_gt(atomic_load(&rounds), THREADS);
	await_update();
	ck_assert_int_ge(listed(getpid()), 0);
	ck_assert_int_eq(lines(), 1);
}
END_TEST

void test_stress(void)
{
	RUN(eight_threads_fork_register_take_back_read_and_exit, 60, "period_ms=10");
}
