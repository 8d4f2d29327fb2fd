// SPDX-License-Identifier: GPL-2.0-only
/* namespace.c - PIDs are those of the namespace of who writes or reads */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* Run @body as process 1 of a new PID namespace; it must exit with 0. */
static void in_new_namespace(void (*body)(void *argument), void *argument)
{
	OK(unshare(CLONE_NEWPID));
	ck_assert_int_eq(wait_status(spawn(body, argument)), 0);
}

/* A child of process 1 of a namespace with these numbers, inside and outside */
static pid_t spawn_with_numbers(pid_t inside, pid_t outside)
{
	pid_t numbers[] = { inside, outside };
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)numbers, .set_tid_size = 2,
	};
	pid_t pid = (pid_t)OK(syscall(SYS_clone3, &args, sizeof(args)));

	if (!pid)
		idle(NULL);
	return pid;
}

static void use_own_numbers(void *unused)
{
	pid_t child = spawn_idle();
	char *list, expected[64];

	(void)unused;
	ck_assert_int_eq(getpid(), 1);
	ck_assert_int_eq(child, 2);
	ck_assert_int_eq(lines(), 0);	/* who is outside does not exist here */
	enroll(1);
	enroll(2);
	ck_assert_int_eq(write_pid(3), ESRCH);
	ck_assert_int_eq(write_pid(-3), ESRCH);
	ck_assert_int_eq(lines(), 2);
	list = read_list();
	ck_assert_int_eq(sscanf(list, "1: %*d\n2: %*d\n%63s", expected), -1);
	ck_assert_int_eq(write_pid(-2), 0);
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_ge(listed(1), 0);
}

START_TEST(inside_a_namespace_numbers_are_its_own_and_outsiders_are_not_there)
{
	enroll(getpid());
	enroll(1);
	in_new_namespace(use_own_numbers, NULL);
}
END_TEST

static void register_and_stay(void *to)
{
	enroll(1);
	enroll(spawn_idle());
	OK(write(*(int *)to, "", 1));
	idle(NULL);
}

START_TEST(outside_who_registered_inside_has_its_outer_number)
{
	int pipe_fds[2];
	pid_t inner;
	char c;

	OK(pipe(pipe_fds));
	OK(unshare(CLONE_NEWPID));
	inner = spawn(register_and_stay, &pipe_fds[1]);
	ck_assert_int_eq(OK(read(pipe_fds[0], &c, 1)), 1);
	ck_assert_int_eq(lines(), 2);
	ck_assert_int_ge(listed(inner), 0);
	ck_assert_int_eq(listed(1), -1);
	ck_assert_int_eq(write_pid(-1), ESRCH);	/* our init is not theirs */
	ck_assert_int_eq(write_pid(-inner), 0);
	ck_assert_int_eq(lines(), 1);
}
END_TEST

static void find_registered_from_outside(void *from)
{
	char c;

	OK(read(*(int *)from, &c, 1));
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_ge(listed(1), 0);
}

START_TEST(inside_who_was_registered_outside_has_its_inner_number)
{
	int pipe_fds[2];
	pid_t inner;

	OK(pipe(pipe_fds));
	OK(unshare(CLONE_NEWPID));
	inner = spawn(find_registered_from_outside, &pipe_fds[0]);
	enroll(getpid());
	enroll(inner);
	OK(write(pipe_fds[1], "", 1));
	ck_assert_int_eq(wait_status(inner), 0);
}
END_TEST

static void descend(void *depth)
{
	if (--*(int *)depth) {
		OK(unshare(CLONE_NEWPID));
		ck_assert_int_eq(wait_status(spawn(descend, depth)), 0);
	} else {
		enroll(1);
		ck_assert_int_eq(lines(), 1);
		await_update();
		ck_assert_int_ge(listed(1), 0);
	}
}

START_TEST(namespaces_in_namespaces_work_the_same)
{
	int depth = 8;

	OK(unshare(CLONE_NEWPID));
	ck_assert_int_eq(wait_status(spawn(descend, &depth)), 0);
}
END_TEST

/* The descriptor comes from outside; the numbers are the caller's all the same. */
static void use_handed(void *fd)
{
	char *list;

	ck_assert_int_eq(write_bytes(*(int *)fd, "1", 1), 0);
	list = read_all(*(int *)fd, 100);
	ck_assert_int_eq(strncmp(list, "1: ", 3), 0);
	ck_assert_ptr_eq(strchr(list, '\n')[1] ? list : NULL, NULL);
}

START_TEST(a_descriptor_from_outside_speaks_the_numbers_of_who_uses_it)
{
	int fd = status_open();

	enroll(getpid());
	in_new_namespace(use_handed, &fd);
}
END_TEST

/*
 * One number inside, another one outside each time: who was reaped is gone for readers
 * inside at once, as the number may be given to somebody else.
 */
static void reuse_inner_number(void *unused)
{
	pid_t pid;
	int i;

	(void)unused;
	for (i = 0; i < 20; i++) {
		pid = spawn_with_numbers(5, 30000 - i);
		enroll(pid);
		ck_assert_int_eq(lines(), 1);
		ck_assert_int_ge(listed(5), 0);
		finish(pid);
		ck_assert_int_eq(lines(), 0);
	}
}

START_TEST(a_number_reused_inside_a_namespace_never_has_two_lines)
{
	in_new_namespace(reuse_inner_number, NULL);
	/* Outside they stay until the next update, each with a number of its own. */
	ck_assert_int_eq(lines(), 20);
	ck_assert_int_ge(listed(30000), 0);
	ck_assert_int_ge(listed(29981), 0);
}
END_TEST

static void stay_as(void *numbers)
{
	pid_t *wanted = numbers, pid = spawn_with_numbers(wanted[0], wanted[1]);

	enroll(pid);
	finish(pid);
}

static void make_namespace(void *numbers)
{
	in_new_namespace(stay_as, numbers);
}

START_TEST(a_number_reused_outside_drops_who_had_it_in_a_namespace)
{
	pid_t numbers[] = { 7, 29000 }, pid;

	ck_assert_int_eq(wait_status(spawn(make_namespace, numbers)), 0);
	ck_assert_int_ge(listed(29000), 0);
	pid = spawn_as(29000, idle, NULL);
	enroll(pid);
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_ge(listed(29000), 0);
}
END_TEST

void test_namespace(void)
{
	RUN(inside_a_namespace_numbers_are_its_own_and_outsiders_are_not_there, 20, NEVER);
	RUN(outside_who_registered_inside_has_its_outer_number, 20, NEVER);
	RUN(inside_who_was_registered_outside_has_its_inner_number, 20, NEVER);
	RUN(namespaces_in_namespaces_work_the_same, 20, SOON);
	RUN(a_descriptor_from_outside_speaks_the_numbers_of_who_uses_it, 20, NEVER);
	RUN(a_number_reused_inside_a_namespace_never_has_two_lines, 20, NEVER);
	RUN(a_number_reused_outside_drops_who_had_it_in_a_namespace, 20, NEVER);
}
