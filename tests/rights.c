// SPDX-License-Identifier: GPL-2.0-only
/* rights.c - who may register, list and take back */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

START_TEST(the_files_have_the_modes_0555_and_0666)
{
	struct stat stat;

	OK(lstat("/proc/mp1", &stat));
	ck_assert_uint_eq(stat.st_mode, S_IFDIR | 0555);
	OK(lstat(STATUS, &stat));
	ck_assert_uint_eq(stat.st_mode, S_IFREG | 0666);
}
END_TEST

/* A child's write as @user must be answered with @error. */
struct attempt {
	uid_t user;
	pid_t pid;	/* negative: take back */
	int error;
};

static void attempt(void *argument)
{
	const struct attempt *a = argument;

	become(a->user);
	_exit(write_pid(a->pid) == a->error ? 0 : 1);
}

static void try(uid_t user, pid_t pid, int error)
{
	struct attempt a = { user, pid, error };

	ck_assert_msg(!wait_status(spawn(attempt, &a)),
		      "user %d writing %d is not answered with %d", user, pid, error);
}

static void use_the_file(void *unused)
{
	(void)unused;
	become(NOBODY);
	enroll(getpid());
	enroll(1);
	ck_assert_int_ge(listed(getpid()), 0);
	ck_assert_int_ge(listed(1), 0);
	ck_assert_int_eq(write_pid(-1), 0);
}

START_TEST(a_user_without_rights_registers_lists_and_takes_back)
{
	ck_assert_int_eq(wait_status(spawn(use_the_file, NULL)), 0);
}
END_TEST

START_TEST(what_another_user_registered_is_eperm)
{
	pid_t pid = spawn_idle();

	enroll(pid);
	try(NOBODY, -pid, EPERM);
	ck_assert_int_ge(listed(pid), 0);
	ck_assert_int_eq(write_pid(-pid), 0);

	try(NOBODY, pid, 0);
	try(NOBODY + 1, -pid, EPERM);
	try(NOBODY + 1, pid, 0);	/* which does not make it theirs */
	try(NOBODY + 1, -pid, EPERM);
	try(NOBODY, -pid, 0);
	ck_assert_int_eq(lines(), 0);
}
END_TEST

START_TEST(cap_sys_admin_takes_back_what_another_user_registered)
{
	pid_t pid = spawn_idle();

	try(NOBODY, pid, 0);
	ck_assert_int_eq(write_pid(-pid), 0);
}
END_TEST

struct handed {
	uid_t user;
	int fd;
	pid_t pid;
	int error;
};

static void write_handed(void *argument)
{
	const struct handed *h = argument;
	char text[16];

	if (h->user)
		become(h->user);
	snprintf(text, sizeof(text), "%d", h->pid);
	_exit(write_bytes(h->fd, text, strlen(text)) == h->error ? 0 : 1);
}

START_TEST(the_rights_are_those_with_which_the_file_was_opened)
{
	int as_root = status_open(), as_nobody;
	pid_t pid = spawn_idle();
	struct handed user_with_roots = { NOBODY, as_root, -pid, 0 };
	struct handed root_with_users = { 0, -1, -pid, EPERM };

	OK(seteuid(NOBODY));
	as_nobody = status_open();
	OK(seteuid(0));
	root_with_users.fd = as_nobody;

	enroll(pid);
	ck_assert_int_eq(wait_status(spawn(write_handed, &root_with_users)), 0);
	ck_assert_int_ge(listed(pid), 0);
	ck_assert_int_eq(wait_status(spawn(write_handed, &user_with_roots)), 0);
	ck_assert_int_eq(listed(pid), -1);
}
END_TEST

static void root_of_a_user_namespace(void *argument)
{
	become(NOBODY);
	OK(unshare(CLONE_NEWUSER));	/* all capabilities, but only in there */
	_exit(write_pid(-*(pid_t *)argument) == EPERM ? 0 : 1);
}

START_TEST(root_of_a_user_namespace_takes_nothing_back)
{
	pid_t pid = spawn_idle();

	enroll(pid);
	ck_assert_int_eq(wait_status(spawn(root_of_a_user_namespace, &pid)), 0);
	ck_assert_int_ge(listed(pid), 0);
}
END_TEST

void test_rights(void)
{
	RUN(the_files_have_the_modes_0555_and_0666, 10, NEVER);
	RUN(a_user_without_rights_registers_lists_and_takes_back, 10, NEVER);
	RUN(what_another_user_registered_is_eperm, 10, NEVER);
	RUN(cap_sys_admin_takes_back_what_another_user_registered, 10, NEVER);
	RUN(the_rights_are_those_with_which_the_file_was_opened, 10, NEVER);
	RUN(root_of_a_user_namespace_takes_nothing_back, 10, NEVER);
}
