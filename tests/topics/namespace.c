// SPDX-License-Identifier: GPL-2.0-only
/* namespace.c - PIDs are those of the writer's or reader's PID namespace */
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

/* Called by process 1 of a namespace: a child with these PIDs inside and outside */
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

	(void)unused;
	ck_assert_int_eq(getpid(), 1);
	ck_assert_int_eq(child, 2);
	ck_assert_int_eq(lines(), 0);	/* outsiders do not exist here */
	enroll(1);
	enroll(2);
	ck_assert_int_eq(write_pid(3), ESRCH);
	ck_assert_int_eq(write_pid(-3), ESRCH);
	ck_assert_int_eq(lines(), 2);
	ck_assert_int_ge(listed(1), 0);
	ck_assert_int_ge(listed(2), 0);
	ck_assert_int_eq(write_pid(-2), 0);
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_ge(listed(1), 0);
}

TEST(inside_a_namespace_pids_are_its_own_and_outsiders_are_not_there, .needs = PID_NAMESPACES)
{
	enroll(getpid());
	enroll(1);
	in_new_namespace(use_own_numbers, NULL);
}

static void register_and_stay(void *to)
{
	enroll(1);
	enroll(spawn_idle());
	OK(write(*(int *)to, "", 1));
	idle(NULL);
}

TEST(a_process_registered_inside_has_its_outer_pid_outside, .needs = PID_NAMESPACES)
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
	ck_assert_int_eq(write_pid(-1), ESRCH);	/* the init outside is another process */
	ck_assert_int_eq(write_pid(-inner), 0);
	ck_assert_int_eq(lines(), 1);
}

static void find_registered_from_outside(void *from)
{
	char c;

	OK(read(*(int *)from, &c, 1));
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_ge(listed(1), 0);
}

TEST(a_process_registered_outside_has_its_inner_pid_inside, .needs = PID_NAMESPACES)
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

TEST(namespaces_in_namespaces_work_the_same, .parameters = SOON, .needs = PID_NAMESPACES)
{
	int depth = 8;

	OK(unshare(CLONE_NEWPID));
	ck_assert_int_eq(wait_status(spawn(descend, &depth)), 0);
}

/* The descriptor comes from outside, but the PIDs are still those of the caller's namespace. */
static void use_handed(void *fd)
{
	char *list;

	ck_assert_int_eq(write_bytes(*(int *)fd, "1", 1), 0);
	list = read_all(*(int *)fd, 100);
	ck_assert_int_eq(strncmp(list, "1: ", 3), 0);
	ck_assert_msg(!strchr(list, '\n')[1], "more than one line: %s", list);
}

TEST(a_descriptor_from_outside_shows_the_pids_of_its_user, .needs = PID_NAMESPACES)
{
	int fd = status_open();

	enroll(getpid());
	in_new_namespace(use_handed, &fd);
}

/*
 * Each time the same PID inside, and a different one outside. For readers inside, a reaped
 * process is gone at once, because its PID may be reused.
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

TEST(a_pid_reused_inside_a_namespace_never_has_two_lines, .needs = PID_NAMESPACES)
{
	in_new_namespace(reuse_inner_number, NULL);
	/* Outside they stay until the next update, each with its own PID. */
	ck_assert_int_eq(lines(), 20);
	ck_assert_int_ge(listed(30000), 0);
	ck_assert_int_ge(listed(29981), 0);
}

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

TEST(a_pid_reused_outside_drops_its_old_owner_in_a_namespace, .needs = PID_NAMESPACES)
{
	pid_t numbers[] = { 7, 29000 }, pid;

	ck_assert_int_eq(wait_status(spawn(make_namespace, numbers)), 0);
	ck_assert_int_ge(listed(29000), 0);
	pid = spawn_as(29000, idle, NULL);
	enroll(pid);
	ck_assert_int_eq(lines(), 1);
	ck_assert_int_ge(listed(29000), 0);
}
