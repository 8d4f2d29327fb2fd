// SPDX-License-Identifier: GPL-2.0-only
/*
 * soak.c - a round of everything that users do, with accounts that must balance
 *
 * tests/guest/run repeats it for as long as you want, in a machine of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { STABLE = 20, CHURNERS = 4, MANY = 3000 };

/* What all processes of a round have done */
static struct accounts {
	long registered;	/* successfully, and by its parent, which knows what became of it */
	long unregistered;	/* successfully */
	long ended;		/* while they were registered */
	long refused;		/* for lack of memory */
	long listings;
	long errors;		/* anything else */
} *accounts;

static pid_t stable[STABLE], many[MANY];

#define ADD(account) ((void)__atomic_add_fetch(&accounts->account, 1, __ATOMIC_RELAXED))

static void *burn_a_little(void *unused)
{
	burn(MSEC);
	return unused;
}

/* Live in one of several ways, and end. */
static void live(void *way)
{
	char *const arguments[] = { "true", NULL };
	pthread_t threads[3];
	size_t i;

	switch ((uintptr_t)way % 5) {
	case 0:
		return;
	case 1:
		burn(2 * MSEC);
		return;
	case 2:
		for (i = 0; i < ARRAY_SIZE(threads); i++)
			pthread_create(&threads[i], NULL, burn_a_little, NULL);
		for (i = 0; i < ARRAY_SIZE(threads); i++)
			pthread_join(threads[i], NULL);
		return;
	case 3:
		execv("/bin/true", arguments);
		ADD(errors);
		return;
	case 4:		/* the other thread outlives the main one */
		pthread_create(&threads[0], NULL, burn_a_little, NULL);
		pthread_exit(NULL);
	}
}

/* Every second process ends by itself, every fourth is unregistered first. */
static void churn(void *unused)
{
	unsigned int i;

	(void)unused;
	for (i = 0;; i++) {
		pid_t pid = spawn(i % 2 ? idle : live, (void *)(uintptr_t)(i / 2));
		int err = write_pid(pid);

		if (!err)
			ADD(registered);
		else
			ADD(errors);	/* it has not been reaped, so it is there */
		if (!err && i % 4 == 3 && !write_pid(-pid))
			ADD(unregistered);
		else if (!err)
			ADD(ended);
		kill(pid, SIGKILL);
		if (waitpid(pid, NULL, 0) != pid)
			ADD(errors);
	}
}

/* Register many, in a cgroup with too little memory for all, and unregister them. */
static void fill(void *unused)
{
	int fd = status_open(), sign = 1, i;
	char text[16];

	(void)unused;
	if (!access(CGROUPS "/full", F_OK))
		spew(CGROUPS "/full/cgroup.procs", "0");
	for (;; sign = -sign) {
		for (i = 0; i < MANY; i++) {
			size_t n = (size_t)sprintf(text, "%d", sign * many[i]);

			if (write(fd, text, n) == (ssize_t)n && sign > 0)
				ADD(registered);
			else if (!errno)
				ADD(unregistered);
			else if (errno == ENOMEM)
				ADD(refused);
			else if (sign > 0 || errno != ESRCH)	/* ESRCH: it was refused */
				ADD(errors);
			errno = 0;
		}
	}
}

static void read_on(void *unused)
{
	(void)unused;
	for (;;) {
		int i;

		for (i = 0; i < STABLE; i += 7)
			if (listed(stable[i]) < 0)
				ADD(errors);
		ADD(listings);
	}
}

static void squeeze(void *unused)
{
	(void)unused;
	for (;;) {
		spew("/proc/sys/vm/drop_caches", "3");
		nap(500 * MSEC);
	}
}

static void set_up_cgroup(void)
{
	if (access(MEMORY_CGROUPS, F_OK))
		return;
	make_memory_cgroup(CGROUPS "/full");
	spew(CGROUPS "/full/memory.max", sizeof(long) == 8 ? "262144" : "131072");
}

/* Objects at the end of the first round: what later ones are compared with */
static long objects_of_the_first_round(long now_left)
{
	static const char path[] = "/tmp/soak-objects";
	char text[24];

	if (access(path, F_OK)) {
		snprintf(text, sizeof(text), "%ld", now_left);
		spew(path, text);
	}
	return atol(slurp(path));
}

TEST(a_round_of_everything_leaves_nothing, .parameters = NOT_LOADED, .seconds = 240,
	.needs = "/proc/slabinfo")
{
	static void (*const work[])(void *) = {
		churn, churn, churn, churn, fill, read_on, read_on, squeeze,
	};
	pid_t workers[ARRAY_SIZE(work)];
	const int64_t length = (finds_bugs() ? 20 : 10) * SEC;
	char parameters[24];
	long first, left;
	size_t i;

	accounts = mmap(NULL, sizeof(*accounts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	ck_assert_ptr_ne(accounts, MAP_FAILED);
	srand((unsigned int)now());
	snprintf(parameters, sizeof(parameters), "period_ms=%d", 10 + rand() % 90);
	must_load(parameters);
	set_up_cgroup();
	for (i = 0; i < STABLE; i++) {
		stable[i] = spawn_idle();
		enroll(stable[i]);
	}
	spawn_many(many, MANY);
	for (i = 0; i < ARRAY_SIZE(work); i++)
		workers[i] = spawn(work[i], NULL);
	nap(length);
	for (i = 0; i < ARRAY_SIZE(work); i++)
		finish(workers[i]);
	finish_many();
	/* Their children die with them, and are reaped by another process. */
	nap(200 * MSEC);
	await_update();
	note("%ld registered: %ld unregistered, %ld ended; %ld refused; %ld listings; %s",
	     accounts->registered, accounts->unregistered, accounts->ended, accounts->refused,
	     accounts->listings, parameters);
	ck_assert_int_eq(accounts->errors, 0);
	ck_assert_int_gt(accounts->ended, 20);
	ck_assert_int_gt(accounts->listings, 5);
	/* What a worker had registered when it was killed ended later, and was not counted. */
	left = accounts->registered - accounts->unregistered - accounts->ended;
	ck_assert_int_ge(left, -CHURNERS - 1);	/* killed before they had noted it */
	ck_assert_int_le(left, CHURNERS + MANY);
	ck_assert_int_eq(lines(), STABLE);
	for (i = 0; i < STABLE; i++) {
		ck_assert_int_ge(listed(stable[i]), 0);
		finish(stable[i]);
	}
	if (rand() % 2)		/* sometimes with reaped processes registered, sometimes without */
		await_update();
	ck_assert_int_eq(unload_module(), 0);
	first = objects_of_the_first_round(process_objects());
	await_few(process_objects, first + 200);
}
