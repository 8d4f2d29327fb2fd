// SPDX-License-Identifier: GPL-2.0-only
/* write.c - what can be written, and the result */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* Assert that a write fails with @error and leaves the list as it was. */
static void refuse(const void *bytes, size_t count, int error)
{
	char *before = read_list(), *after;
	int fd = status_open(), err = write_bytes(fd, bytes, count);

	close(fd);
	ck_assert_msg(err == error, "'%.*s' (%zu bytes): errno %d, not %d",
		      (int)(count < 40 ? count : 40), (const char *)bytes, count, err, error);
	after = read_list();
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
}

static void refuse_text(const char *text, int error)
{
	refuse(text, strlen(text), error);
}

TEST(a_pid_registers_with_white_space_around_or_a_nul_behind)
{
	static const struct {
		const char *format;
		int extra;	/* bytes after the text */
	} forms[] = {
		{ "%d", 0 }, { "%d\n", 0 }, { "  %d", 0 }, { "\t\n %d \v\f\r\n", 0 },
		{ "%d", 1 }, { "%d\n", 1 }, { " %d ", 1 }, { "000%d", 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		pid_t pid = spawn_idle();
		char text[32] = "";
		int fd = status_open(), n = snprintf(text, sizeof(text), forms[i].format, pid);

		ck_assert_int_eq(write_bytes(fd, text, (size_t)(n + forms[i].extra)), 0);
		ck_assert_msg(listed(pid) >= 0, "'%s' registers no process", text);
		close(fd);
	}
	ck_assert_int_eq(lines(), i);
}

TEST(stdio_registers_and_reads)
{
	pid_t pid = spawn_idle();
	FILE *file = fopen(STATUS, "w");
	int read_pid;

	fprintf(file, "%d", pid);
	ck_assert_int_eq(fclose(file), 0);
	file = fopen(STATUS, "r+");
	ck_assert_int_eq(fscanf(file, "%d: ", &read_pid), 1);
	ck_assert_int_eq(read_pid, pid);
	fclose(file);
}

TEST(one_descriptor_takes_many_writes_and_reads_in_any_order)
{
	int fd = status_open(), i;
	char text[16], *list;

	for (i = 1; i <= 5; i++) {
		pid_t pid = spawn_idle();

		snprintf(text, sizeof(text), "%d", pid);
		ck_assert_int_eq(write_bytes(fd, text, strlen(text)), 0);
		OK(lseek(fd, 0, SEEK_SET));
		list = read_all(fd, 5);
		ck_assert_ptr_nonnull(strstr(list, text));
		ck_assert_int_eq(lines(), i);
		free(list);
	}
}

TEST(the_file_position_does_not_matter_to_a_write)
{
	static const off_t positions[] = { 1, 7, 0 };
	int fd = status_open();
	char text[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(positions); i++) {
		int n = snprintf(text, sizeof(text), "%d", spawn_idle());

		OK(lseek(fd, positions[i], SEEK_SET));
		ck_assert_int_eq(OK(write(fd, text, (size_t)n)), n);
		ck_assert_int_eq(OK(lseek(fd, 0, SEEK_CUR)), positions[i]);
	}
	ck_assert_int_eq(lines(), i);
}

TEST(what_is_not_one_number_is_einval)
{
	static const char *const texts[] = {
		"abc", "12abc", "1 2", "1\n2", "1\t2", "1.5", "0x1", "1,2", "1;", "1e3", "0b1",
		"++1", "--1", "+-1", "-+1", "- 1", "1-", "1+", "-", "+", "'1'", "%d", "a1",
		"\x01", "\xff\xfe", "1\xff", "1\x7f", "\xef\xbc\x91",
	};
	static const char nul_inside[] = "1\0\x32", nul_first[] = "\0\x31";
	size_t i;

	enroll(getpid());
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		refuse_text(texts[i], EINVAL);
	refuse(nul_inside, 3, EINVAL);
	refuse(nul_first, 2, EINVAL);
	refuse("1\0", 3, EINVAL);
	refuse("1\0\n", 3, EINVAL);
	refuse("", 1, EINVAL);
}

TEST(a_number_that_can_be_no_pid_is_einval)
{
	static const char *const texts[] = {
		"0", "-0", "+0", "000", " ", "\n", " \t\v\f\r\n", "2147483648", "-2147483648",
		"-2147483649", "4294967297", "18446744073709551617", "99999999999999999999",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		refuse_text(texts[i], EINVAL);
}

TEST(the_longest_text_that_is_read_registers)
{
	char text[32];

	snprintf(text, sizeof(text), "%31d", getpid());
	ck_assert_int_eq(write_text(text), 0);
	ck_assert_int_ge(listed(getpid()), 0);
}

TEST(a_text_longer_than_any_pid_is_einval)
{
	static char long_text[1 << 20];
	pid_t pid = spawn_idle();
	int n;

	memset(long_text, ' ', sizeof(long_text));
	n = sprintf(long_text, "%d", pid);
	long_text[n] = ' ';
	refuse(long_text, sizeof(long_text), EINVAL);
	refuse(long_text, 4096, EINVAL);
	refuse(long_text, 64, EINVAL);
	refuse(long_text, 32, EINVAL);	/* one more than is accepted */
	memset(long_text, '0', sizeof(long_text));
	refuse(long_text, sizeof(long_text), EINVAL);
	memset(long_text, '\0', sizeof(long_text));
	refuse(long_text, sizeof(long_text), EINVAL);
}

TEST(only_the_end_is_copied_of_a_text_too_long)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	int fd = status_open();

	ck_assert_ptr_ne(area, MAP_FAILED);
	OK(munmap(area, 3 * page));
	ck_assert_int_eq(write_bytes(fd, area, 4 * page), EINVAL);
	ck_assert_int_eq(write_bytes(fd, area, 3 * page), EFAULT);
}

TEST(memory_that_cannot_be_read_is_efault)
{
	long page = sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(area, MAP_FAILED);
	OK(munmap(area + page, (size_t)page));
	memcpy(area + page - 1, "1", 1);
	refuse((void *)8, 3, EFAULT);
	refuse(area + page, 1, EFAULT);
	refuse(area + page - 1, 2, EFAULT);	/* half of it is readable */
	ck_assert_int_eq(write_bytes(status_open(), area + page - 1, 1), 0);
}

TEST(zero_bytes_do_nothing)
{
	int fd = status_open();

	ck_assert_int_eq(OK(write(fd, "1", 0)), 0);
	ck_assert_int_eq(OK(write(fd, NULL, 0)), 0);
	ck_assert_int_eq(lines(), 0);
}

static void *sleep_thread(void *tid)
{
	__atomic_store_n((pid_t *)tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	idle(NULL);
	return NULL;
}

TEST(a_number_without_a_process_is_esrch)
{
	pid_t pid = spawn_idle(), tid = 0;
	char text[16];
	pthread_t thread;

	finish(pid);
	snprintf(text, sizeof(text), "%d", pid);
	refuse_text(text, ESRCH);
	snprintf(text, sizeof(text), "-%d", pid);
	refuse_text(text, ESRCH);
	refuse_text("2147483647", ESRCH);
	refuse_text("-2147483647", ESRCH);
	refuse_text("-1", ESRCH);	/* init lives, but is not registered */

	pthread_create(&thread, NULL, sleep_thread, &tid);
	while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
		nap(MSEC);
	snprintf(text, sizeof(text), "%d", tid);
	refuse_text(text, ESRCH);
	enroll(getpid());
	refuse_text(text, ESRCH);
	snprintf(text, sizeof(text), "-%d", tid);
	refuse_text(text, ESRCH);
}

TEST(every_process_with_a_folder_in_proc_can_be_registered)
{
	pid_t zombie = spawn_idle();
	siginfo_t info;

	kill(zombie, SIGKILL);
	OK(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT));
	enroll(zombie);
	ck_assert_int_ge(listed(zombie), 0);
	enroll(1);
	ck_assert_int_gt(listed(1), 0);
	enroll(2);			/* kthreadd */
	ck_assert_int_le(listed(2), 2 * TICK);	/* see kernel_threads_show_... */
}

/* Some programs write the number and the newline separately. */
TEST(white_space_that_continues_a_line_does_nothing)
{
	int fd = status_open(), other = status_open();
	pid_t pid = spawn_idle();

	ck_assert_int_eq(send_pid(fd, pid), 0);
	ck_assert_int_eq(write_bytes(other, "\n", 1), EINVAL);
	ck_assert_int_eq(write_bytes(fd, " ", 1), 0);
	ck_assert_int_eq(write_bytes(fd, "\t\0", 2), 0);
	ck_assert_int_eq(write_bytes(fd, "", 1), 0);
	ck_assert_int_eq(OK(write(fd, NULL, 0)), 0);
	ck_assert_int_eq(write_bytes(fd, "\r\n", 2), 0);
	ck_assert_int_ge(listed(pid), 0);
	ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);	/* an empty line */
	ck_assert_int_eq(send_pid(fd, -pid), 0);
	ck_assert_int_eq(write_bytes(fd, "\n", 1), 0);
	ck_assert_int_eq(lines(), 0);
}

TEST(white_space_that_continues_nothing_is_einval)
{
	static const struct {
		const char *text;
		size_t size;
	} refused[] = {
		{ "x\n", 2 }, { "1\0002\n", 4 }, { "1\0002\n", 5 },
		{ "a text of 32 bytes and a newline\n", 33 },
		{ "a text of more than 31 bytes, and a NUL\n", 41 },
	};
	size_t i;
	char line[16];
	int fd = status_open(), n = snprintf(line, sizeof(line), "%d\n", getpid());

	ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
	ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
	ck_assert_int_eq(write_bytes(fd, line, (size_t)n), 0);
	ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
	ck_assert_int_eq(write_bytes(fd, line, (size_t)n + 1), 0);	/* with the NUL */
	ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		ck_assert_int_eq(write_bytes(fd, refused[i].text, refused[i].size), EINVAL);
		ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
	}
	ck_assert_int_eq(write_bytes(fd, " ", 1), EINVAL);
	ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
	ck_assert_int_eq(write_bytes(fd, (void *)8, 1), EFAULT);
	ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
}

/*
 * Several programs with one open file, each of which writes the end of its line apart. No newline
 * of a line that was accepted may be refused, so that of a refused one is not refused either.
 */
TEST(each_line_that_was_begun_can_be_ended)
{
	static const char *const refused[] = {
		"x", "1 2", "2147483647", "a text of more than 31 bytes, not copied",
	};
	int fd = status_open();
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		ck_assert_int_eq(send_pid(fd, getpid()), 0);
		ck_assert_int_ne(write_bytes(fd, refused[i], strlen(refused[i])), 0);
		ck_assert_int_eq(send_pid(fd, -getpid()), 0);
		ck_assert_int_eq(write_bytes(fd, " ", 1), 0);
		for (j = 0; j < 3; j++)
			ck_assert_int_eq(write_bytes(fd, "\n", 1), 0);
		ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
	}
}

struct line_writer {
	int fd;
	pid_t pid;
	int refused;	/* parts of lines */
};

static void *write_lines(void *argument)
{
	struct line_writer *writer = argument;
	int i;

	for (i = 0; i < 20000; i++) {
		writer->refused += send_pid(writer->fd, i % 2 ? -writer->pid : writer->pid) != 0;
		writer->refused += write_bytes(writer->fd, "\n", 1) != 0;
	}
	return NULL;
}

TEST(two_writers_with_one_open_file_end_their_lines)
{
	struct line_writer writers[2];
	pthread_t threads[2];
	int fd = status_open(), i;

	for (i = 0; i < 2; i++) {
		writers[i] = (struct line_writer){ fd, spawn_idle(), 0 };
		ck_assert(!pthread_create(&threads[i], NULL, write_lines, &writers[i]));
	}
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(writers[i].refused, 0);
	}
	ck_assert_int_eq(write_bytes(fd, "\n", 1), EINVAL);
}

TEST(registering_again_succeeds_and_lists_once)
{
	int i;

	for (i = 0; i < 3; i++)
		enroll(getpid());
	ck_assert_int_eq(lines(), 1);
}

TEST(a_negative_number_unregisters)
{
	pid_t a = spawn_idle(), b = spawn_idle();

	enroll(a);
	enroll(b);
	ck_assert_int_eq(write_pid(-a), 0);
	ck_assert_int_eq(listed(a), -1);
	ck_assert_int_ge(listed(b), 0);
	ck_assert_int_eq(write_pid(-a), ESRCH);
	enroll(a);			/* can be registered again */
	ck_assert_int_ge(listed(a), 0);
}

enum { MANY = 4000, REFUSED = 100 };

struct limited {
	pid_t pids[MANY];
	int fd;
	int registered;
	int refused;	/* with ENOMEM */
	pid_t first;	/* of those refused */
	int error;	/* any other error */
	long charged, charged_slab;	/* bytes, to the cgroup, for all processes */
};

/* All bytes charged. This moves in steps, as each CPU keeps a stock of up to 128 KiB. */
static long charged(void)
{
	char *text = slurp(CGROUPS "/small/memory.current");
	long bytes = atol(text);

	free(text);
	return bytes;
}

/* The part of that which is for kernel objects */
static long charged_slab(void)
{
	char *text = slurp(CGROUPS "/small/memory.stat");
	long bytes = atol(strstr(text, "\nslab_unreclaimable ") + 20);

	free(text);
	return bytes;
}

/* Register all until memory runs out. Needs no memory for anything else. */
static void register_with_little_memory(void *argument)
{
	struct limited *shared = argument;
	char text[16];
	int i, n;

	spew(CGROUPS "/small/cgroup.procs", "0");
	for (i = 0; i < MANY && !shared->error && shared->refused < REFUSED; i++) {
		n = sprintf(text, "%d", shared->pids[i]);
		if (write(shared->fd, text, (size_t)n) == n)
			shared->registered++;
		else if (errno != ENOMEM)
			shared->error = errno;
		else if (!shared->refused++)
			shared->first = shared->pids[i];
	}
}

/* Spawn many processes, and make a cgroup for the process that will register them. */
static struct limited *prepare_cgroup(void)
{
	struct limited *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	ck_assert_ptr_ne(shared, MAP_FAILED);
	spawn_many(shared->pids, MANY);
	shared->fd = status_open();
	make_memory_cgroup(CGROUPS "/small");
	return shared;
}

/* Register all, in a cgroup without a limit, to see what is charged. */
static void register_all(void *argument)
{
	struct limited *shared = argument;
	long before, slab_before;
	int i;

	spew(CGROUPS "/small/cgroup.procs", "0");
	before = charged();
	slab_before = charged_slab();
	for (i = 0; i < MANY; i++)
		enroll(shared->pids[i]);
	shared->charged = charged() - before;
	shared->charged_slab = charged_slab() - slab_before;
}

TEST(memory_is_charged_to_the_writers_cgroup, .seconds = 240, .needs = MEMORY_CGROUPS)
{
	struct limited *shared = prepare_cgroup();

	ck_assert_int_eq(wait_status(spawn(register_all, shared)), 0);
	note("%d registrations are charged %ld bytes; memory.current grew by %ld", MANY,
	     shared->charged_slab, shared->charged);
	/* Each takes 96 bytes on 64-bit machines, 64 on 32-bit ones. */
	ck_assert_int_ge(shared->charged_slab, MANY * 7 * (long)sizeof(long));
	ck_assert_int_ge(shared->charged, MANY * 4 * (long)sizeof(long));
}

TEST(without_memory_is_enomem_and_nothing_is_registered, .seconds = 240, .needs = MEMORY_CGROUPS)
{
	long before = process_objects();
	struct limited *shared = prepare_cgroup();

	spew(CGROUPS "/small/memory.max", sizeof(long) == 8 ? "262144" : "131072");

	ck_assert_int_eq(wait_status(spawn(register_with_little_memory, shared)), 0);
	ck_assert_msg(!shared->error, "errno %d after %d processes", shared->error,
		      shared->registered);
	note("%d registered, %d refused", shared->registered, shared->refused);
	ck_assert_int_eq(shared->refused, REFUSED);
	ck_assert_int_eq(lines(), shared->registered);
	ck_assert_int_eq(listed(shared->first), -1);
	enroll(shared->first);	/* outside the cgroup there is memory */
	ck_assert_int_eq(lines(), shared->registered + 1);
	/* No reference to any of them has leaked. */
	ck_assert_int_eq(unload_module(), 0);
	finish_many();
	await_few(process_objects, before + REFUSED / 2);
	ck_assert_int_eq(load_module(NEVER), 0);
}
