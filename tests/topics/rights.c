// SPDX-License-Identifier: GPL-2.0-only
/* rights.c - which users may register, list and unregister */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

TEST(the_files_have_the_modes_0555_and_0666)
{
	struct stat stat;

	OK(lstat("/proc/mp1", &stat));
	ck_assert_uint_eq(stat.st_mode, S_IFDIR | 0555);
	OK(lstat(STATUS, &stat));
	ck_assert_uint_eq(stat.st_mode, S_IFREG | 0666);
}

/* A child writes @pid as @user, which must return @error. */
struct attempt {
	uid_t user;
	pid_t pid;	/* negative: unregister */
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
		      "user %d writing %d does not get %d", user, pid, error);
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

TEST(an_unprivileged_user_registers_lists_and_unregisters)
{
	ck_assert_int_eq(wait_status(spawn(use_the_file, NULL)), 0);
}

TEST(what_another_user_registered_is_eperm)
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

TEST(cap_sys_admin_unregisters_what_another_user_registered)
{
	pid_t pid = spawn_idle();

	try(NOBODY, pid, 0);
	ck_assert_int_eq(write_pid(-pid), 0);
}

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

TEST(permissions_are_those_of_the_opener)
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

static void root_of_a_user_namespace(void *argument)
{
	become(NOBODY);
	OK(unshare(CLONE_NEWUSER));	/* all capabilities, but only inside it */
	_exit(write_pid(-*(pid_t *)argument) == EPERM ? 0 : 1);
}

TEST(root_of_a_user_namespace_unregisters_nothing, .needs = USER_NAMESPACES)
{
	pid_t pid = spawn_idle();

	enroll(pid);
	ck_assert_int_eq(wait_status(spawn(root_of_a_user_namespace, &pid)), 0);
	ck_assert_int_ge(listed(pid), 0);
}

/* Register and list another user's process through a /proc that hides it. */
static void use_a_hiding_proc(void *argument)
{
	pid_t pid = *(pid_t *)argument;
	char path[32], number[16];
	int fd;

	snprintf(path, sizeof(path), "/tmp/proc/%d", pid);
	snprintf(number, sizeof(number), "%d: ", pid);
	become(NOBODY);
	ck_assert(access(path, F_OK) && errno == ENOENT);
	fd = OK(open("/tmp/proc/mp1/status", O_RDWR | O_CLOEXEC));
	ck_assert_int_eq(send_pid(fd, pid), 0);
	ck_assert_ptr_nonnull(strstr(read_all(fd, 4096), number));
}

/* README and mp1(4) document this limit: modules cannot call ptrace_may_access(). */
TEST(a_proc_mounted_with_hidepid_does_not_hide_from_mp1)
{
	pid_t pid = spawn_idle();

	OK(unshare(CLONE_NEWNS));
	ck_assert(!mkdir("/tmp/proc", 0755) || errno == EEXIST);
	OK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mount("proc", "/tmp/proc", "proc", 0, "hidepid=2"));
	ck_assert_int_eq(wait_status(spawn(use_a_hiding_proc, &pid)), 0);
	OK(umount("/tmp/proc"));
}

static void create_namespace(void *start)
{
	char c;

	become(NOBODY);
	OK(read(*(int *)start, &c, 1));
	_exit(unshare(CLONE_NEWUSER) ? errno : 0);
}

/*
 * A reaped process that is registered still counts against what its user may have: here, user
 * namespaces. One user registers whatever another one starts. With a period of an hour, only an
 * early update helps; give it a moment, and try again.
 */
TEST(registering_anothers_processes_does_not_use_up_their_limits,
	.needs = "/proc/sys/user/max_user_namespaces")
{
	int64_t deadline = now() + 20 * SEC * patience();
	char *limit = slurp("/proc/sys/user/max_user_namespaces");
	int i, err, retries = 0, start[2];

	spew("/proc/sys/user/max_user_namespaces", "100");
	for (i = 0; i < 300; i += !err) {
		pid_t pid;

		OK(pipe(start));
		pid = spawn(create_namespace, &start[0]);
		try(NOBODY + 1, pid, 0);
		OK(write(start[1], "", 1));
		err = wait_status(pid);
		close(start[0]);
		close(start[1]);
		ck_assert(!err || err == ENOSPC);
		retries += err == ENOSPC;
		ck_assert_msg(!err || await_until(deadline), "namespace %d: no space left", i);
	}
	spew("/proc/sys/user/max_user_namespaces", limit);
	note("300 namespaces, %d retries; %d processes are still held", retries, lines());
}
