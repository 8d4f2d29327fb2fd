// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile.c - random calls from eight unprivileged threads
 *
 * Half of them run in their own PID and user namespaces. The test prints its seed;
 * MP1_SEED=... make test TESTS=hostile repeats the same calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { THREADS = 8, FILES = 8, CHILDREN = 6 };

static unsigned int seed;
static int64_t deadline;
static int mail[2];		/* a socket pair for passing descriptors around */

static uint32_t rnd(uint32_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % below;
}

/* Something to write: usually almost right */
static size_t compose(uint32_t *r, char *buffer, size_t room, const pid_t *children)
{
	static const char *const odd[] = {
		"", "0", "-", "--1", "1 2", "0x1", "99999999999", "abc",
	};
	uint32_t what = rnd(r, 10);
	size_t n, i;

	if (what < 5)
		return (size_t)snprintf(buffer, room, "%s%d%s", rnd(r, 3) ? "" : "-",
					rnd(r, 4) ? children[rnd(r, CHILDREN)] : getpid(),
					rnd(r, 2) ? "\n" : "");
	if (what < 7)
		return (size_t)snprintf(buffer, room, "%d", (int)rnd(r, 40000) - 20000);
	if (what < 8)
		return (size_t)snprintf(buffer, room, "%s", odd[rnd(r, ARRAY_SIZE(odd))]);
	n = rnd(r, what == 8 ? 40 : (uint32_t)room);
	for (i = 0; i < n; i++)
		buffer[i] = (char)rnd(r, 256);
	return n;
}

static void pass(int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec part = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	sendmsg(mail[0], &msg, MSG_DONTWAIT);
}

static int receive(void)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	int fd = -1;

	if (recvmsg(mail[1], &msg, MSG_DONTWAIT) > 0) {
		header = CMSG_FIRSTHDR(&msg);
		if (header && header->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	}
	return fd;
}

static void one_call(uint32_t *r, int *files, pid_t *children, char *buffer, size_t room)
{
	int *file = &files[rnd(r, FILES)], fd = *file, pipe_fds[2];
	size_t n = rnd(r, (uint32_t)room);
	struct iovec parts[3] = { { buffer, n / 3 }, { buffer + n / 3, n / 3 }, { buffer, 1 } };
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };
	pid_t *child = &children[rnd(r, CHILDREN)];
	ssize_t ret = 0;

	switch (rnd(r, 20)) {
	case 0 ... 4:
		n = compose(r, buffer, room, children);
		ret = write(fd, buffer, n);
		if (ret >= 0 && (size_t)ret != n)
			_exit(3);	/* all or nothing */
		break;
	case 5:
		ret = write(fd, (void *)(uintptr_t)rnd(r, 4096), rnd(r, 64));
		break;
	case 6 ... 8:
		ret = read(fd, buffer, n);
		break;
	case 9:
		ret = pread(fd, buffer, n, (off_t)rnd(r, 5000) - 10);
		break;
	case 10:
		ret = lseek(fd, (off_t)rnd(r, 5000) - 10, (int)rnd(r, 6));
		break;
	case 11:
		ret = readv(fd, parts, 3);
		break;
	case 12:
		ret = writev(fd, parts, (int)rnd(r, 4));
		break;
	case 13:
		ret = poll(&poll_fd, 1, 0);
		break;
	case 14:
		ret = ioctl(fd, rnd(r, 0x10000), buffer);
		break;
	case 15:
		if (mmap(NULL, 4096, (int)rnd(r, 8), MAP_SHARED, fd, 0) != MAP_FAILED)
			_exit(4);	/* there is nothing to map */
		break;
	case 16:
		if (pipe2(pipe_fds, O_NONBLOCK))
			break;
		ret = splice(fd, NULL, pipe_fds[1], NULL, n, SPLICE_F_NONBLOCK);
		if (rnd(r, 2))
			ret = splice(pipe_fds[0], NULL, fd, NULL, n, SPLICE_F_NONBLOCK);
		else
			ret = sendfile(pipe_fds[1], fd, NULL, rnd(r, 4096));
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		break;
	case 17:
		if (rnd(r, 3)) {
			dup2(fd, files[rnd(r, FILES)]);
		} else if (rnd(r, 2)) {
			pass(fd);
		} else {
			ret = receive();
			if (ret >= 0) {
				close(fd);
				*file = (int)ret;
			}
		}
		break;
	case 18:
		ret = open(STATUS, (int)(rnd(r, 3) | (rnd(r, 4) ? 0 : O_NONBLOCK | O_TRUNC)));
		if (ret >= 0) {
			close(fd);
			*file = (int)ret;
		}
		break;
	case 19:
		if (*child > 0) {
			kill(*child, SIGKILL);
			if (rnd(r, 4))
				waitpid(*child, NULL, 0);
		}
		*child = fork();
		if (!*child)
			idle(NULL);
		break;
	}
	(void)ret;
}

static void attack(void *number)
{
	static char buffer[8192];
	uint32_t r = seed * 8 + (uint32_t)(uintptr_t)number + 1;
	pid_t children[CHILDREN] = { 0 };
	int files[FILES], i;

	signal(SIGCHLD, SIG_DFL);
	for (i = 0; i < FILES; i++)
		files[i] = OK(open(STATUS, O_RDWR));
	for (i = 0; now() < deadline; i++)
		one_call(&r, files, children, buffer, sizeof(buffer));
	for (i = 0; i < CHILDREN; i++)
		if (children[i] > 0)
			kill(children[i], SIGKILL);
	_exit(0);
}

static void attack_as_nobody(void *number)
{
	become(NOBODY + (uid_t)(uintptr_t)number % 3);
	if ((uintptr_t)number % 2) {
		OK(unshare(CLONE_NEWUSER | CLONE_NEWPID));
		_exit(wait_status(spawn(attack, number)));
	}
	attack(number);
}

TEST(random_calls_from_eight_unprivileged_threads_do_no_harm,
	.parameters = "period_ms=10", .seconds = 240, .needs = USER_NAMESPACES)
{
	const char *given = getenv("MP1_SEED");
	pid_t pids[THREADS];
	uintptr_t i;

	if (given)
		seed = (unsigned int)strtoul(given, NULL, 10);
	else
		ck_assert_int_eq(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	note("MP1_SEED=%u", seed);
	deadline = now() + (finds_bugs() ? 120 : 8) * SEC;
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, mail));
	for (i = 0; i < THREADS; i++)
		pids[i] = spawn(attack_as_nobody, (void *)i);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(wait_status(pids[i]), 0);
	/* The module still works. */
	enroll(getpid());
	await_update();
	ck_assert_int_ge(listed(getpid()), 0);
	ck_assert_int_eq(write_text("nonsense"), EINVAL);
}
