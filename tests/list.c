// SPDX-License-Identifier: GPL-2.0-only
/* list.c - reading the list: its form, and that nobody is skipped or repeated */
#define _GNU_SOURCE
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { MANY = 1500 };
static pid_t pids[MANY];

static void enroll_many(int n)
{
	int i;

	spawn_many(pids, n);
	for (i = 0; i < n; i++)
		enroll(pids[i]);
}

START_TEST(an_empty_registry_is_an_empty_file)
{
	char *list = read_list();

	ck_assert_str_eq(list, "");
}
END_TEST

START_TEST(a_line_is_pid_colon_blank_nanoseconds)
{
	char *list, *line, *rest;
	regex_t form;
	int n = 0;

	ck_assert_int_eq(regcomp(&form, "^[1-9][0-9]*: (0|[1-9][0-9]*)$", REG_EXTENDED), 0);
	enroll_many(10);
	enroll(1);
	list = read_list();
	rest = list;
	ck_assert_int_eq(list[strlen(list) - 1], '\n');
	while ((line = strsep(&rest, "\n")) && rest) {
		ck_assert_msg(!regexec(&form, line, 0, NULL, 0), "'%s'", line);
		n++;
	}
	ck_assert_int_eq(n, 11);
}
END_TEST

START_TEST(buffers_of_every_size_give_the_same_text)
{
	static const size_t sizes[] = { 1, 2, 7, 100, 1024, 4095, 4096, 4097, 65536 };
	char *list, *same;
	size_t i;

	enroll_many(1000);
	list = read_list();
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = status_open();

		same = read_all(fd, sizes[i]);
		ck_assert_str_eq(list, same);
		free(same);
		close(fd);
	}
}
END_TEST

START_TEST(pread_readv_sendfile_and_lseek_give_the_same_text)
{
	int fd, out = OK(memfd_create("out", 0));
	char *list, *rest, a[100], b[200];
	struct iovec parts[] = { { a, sizeof(a) }, { b, sizeof(b) } };
	size_t length, at;

	enroll_many(1000);
	list = read_list();
	length = strlen(list);
	fd = status_open();
	for (at = length; at-- > 0;) {		/* backwards: every one is a seek */
		char c;

		if (at % 61 && at > 100)
			continue;
		ck_assert_int_eq(OK(pread(fd, &c, 1, (off_t)at)), 1);
		ck_assert_int_eq(c, list[at]);
	}
	ck_assert_int_eq(OK(pread(fd, a, 1, (off_t)length)), 0);
	ck_assert_int_eq(OK(pread(fd, a, 1, 1LL << 40)), 0);
	for (at = 0; at < length; at += 1777) {
		OK(lseek(fd, (off_t)at, SEEK_SET));
		rest = read_all(fd, 512);
		ck_assert_str_eq(rest, list + at);
		free(rest);
	}
	ck_assert_int_eq(OK(preadv(fd, parts, 2, 50)), 300);
	ck_assert(!memcmp(a, list + 50, 100) && !memcmp(b, list + 150, 200));
	OK(lseek(fd, 0, SEEK_SET));
	while (OK(sendfile(out, fd, NULL, 4096)) > 0)
		;
	OK(lseek(out, 0, SEEK_SET));
	ck_assert_str_eq(read_all(out, 4096), list);
}
END_TEST

START_TEST(dd_gives_the_same_text)
{
	char *list;
	FILE *dd;

	enroll_many(200);
	list = read_list();
	dd = popen("dd if=" STATUS " bs=3 2>/dev/null", "r");
	ck_assert_ptr_nonnull(dd);
	ck_assert_str_eq(read_all(fileno(dd), 4096), list);
	ck_assert_int_eq(pclose(dd), 0);
}
END_TEST

static int compare(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

/*
 * Read the list in pieces of @chunk bytes and call @disturb between them; who is
 * in pids[] at the end (not 0) must be listed exactly once, nobody twice.
 */
static void read_disturbed(size_t chunk, void (*disturb)(int step))
{
	static char text[MANY * 64];
	static pid_t seen[MANY * 8];
	int fd = status_open(), step = 0, n = 0, i;
	char *line, *rest = text;
	size_t size = 0;
	ssize_t got;

	while ((got = OK(read(fd, text + size, chunk))) > 0) {
		size += (size_t)got;
		ck_assert_uint_lt(size, sizeof(text) - chunk);
		disturb(step++);
	}
	close(fd);
	text[size] = '\0';
	while ((line = strsep(&rest, "\n")) && *line)
		seen[n++] = atoi(line);
	qsort(seen, (size_t)n, sizeof(seen[0]), compare);
	for (i = 1; i < n; i++)
		ck_assert_msg(seen[i] != seen[i - 1], "process %d is listed twice", seen[i]);
	for (i = 0; i < MANY; i++)
		ck_assert_msg(!pids[i] ||
			      bsearch(&pids[i], seen, (size_t)n, sizeof(seen[0]), compare),
			      "process %d was skipped", pids[i]);
	ck_assert_int_gt(step, 3);
}

static void take_back(int i)
{
	if (!pids[i])
		return;
	ck_assert_int_eq(write_pid(-pids[i]), 0);
	pids[i] = 0;
}

static void take_back_first_ones(int step)
{
	int i;

	if (step == 1)
		for (i = 0; i < 150; i++)
			take_back(i);
}

START_TEST(a_listing_skips_nobody_when_listed_ones_are_taken_back)
{
	enroll_many(MANY);
	read_disturbed(2048, take_back_first_ones);
}
END_TEST

/* Registers new ones, takes back here and there, lets some exit unreaped and reaped. */
static void everything(int step)
{
	int i;

	for (i = 0; i < 5 && step < 100; i++)
		enroll(spawn_idle());
	for (i = 0; i < 20; i++)
		take_back((step * 37 + i * 71) % MANY);
	for (i = 0; i < 5; i++) {
		int victim = (step * 53 + i * 97) % MANY;

		if (!pids[victim])
			continue;
		OK(kill(pids[victim], SIGKILL));
		if (i % 2)
			continue;	/* a zombie stays listed */
		ck_assert_int_eq(waitpid(pids[victim], NULL, 0), pids[victim]);
		pids[victim] = 0;
	}
}

START_TEST(a_listing_names_who_stays_exactly_once_whatever_happens)
{
	enroll_many(MANY);
	read_disturbed(1024, everything);
}
END_TEST

/* Out and in again: it must not come a second time, wherever it is put now. */
static void register_anew(int step)
{
	int i;

	for (i = 0; i < 40; i++) {
		pid_t pid = pids[(step * 40 + i) % MANY];

		ck_assert_int_eq(write_pid(-pid), 0);
		enroll(pid);
	}
}

START_TEST(a_listing_repeats_nobody_who_was_taken_back_and_came_again)
{
	enroll_many(MANY);
	read_disturbed(1024, register_anew);
}
END_TEST

START_TEST(a_listing_ends_although_more_and_more_register)
{
	int fd, i;
	char c;

	enroll_many(100);
	fd = status_open();
	for (i = 0; OK(read(fd, &c, 1)); i++) {
		ck_assert_int_lt(i, 100000);
		if (i % 10 == 0 && i < 5000)
			enroll(spawn_idle());
	}
}
END_TEST

/*
 * What costs the same, however many there are, must not take longer at the end than at
 * the beginning. Walking 5000 would take ten times as long; a busy machine may stretch
 * some calls, so look at the median of the first and of the last third.
 */
enum { FLAT = 5000, THIRD = FLAT / 3 };
static pid_t flat_pids[FLAT];
static int flat_fd;

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double median(int64_t *times)
{
	qsort(times, THIRD, sizeof(*times), compare_times);
	return (double)times[THIRD / 2];
}

static void assert_flat(void (*call)(int i), const char *what)
{
	static int64_t times[FLAT];
	double first, last;
	int i;

	for (i = 0; i < FLAT; i++) {
		int64_t start = now();

		call(i);
		times[i] = now() - start;
	}
	first = median(times);
	last = median(times + FLAT - THIRD);
	note("%s: %.2f us in the first third, %.2f us in the last", what, first / 1000,
	     last / 1000);
	ck_assert_msg(last < first * 1.8, "%s gets slower", what);
}

static void register_one(int i)
{
	ck_assert_int_eq(put_pid(flat_fd, flat_pids[i]), 0);
}

static void take_back_one(int i)
{
	ck_assert_int_eq(put_pid(flat_fd, -flat_pids[i]), 0);
}

static void read_some(int i)
{
	char c[6];

	(void)i;	/* a line has 8 bytes or more: three of four calls resume */
	ck_assert_int_eq(read(flat_fd, c, sizeof(c)), sizeof(c));
}

START_TEST(registering_resuming_and_taking_back_cost_the_same_with_few_and_many)
{
	spawn_many(flat_pids, FLAT);
	flat_fd = status_open();
	assert_flat(register_one, "registering");
	assert_flat(read_some, "resuming a listing");
	assert_flat(take_back_one, "taking back");
}
END_TEST

START_TEST(the_last_pid_that_can_be_is_listed)
{
	const char *limit = sizeof(long) == 8 ? "4194304" : "32768";
	pid_t last = atoi(limit) - 1;

	spew("/proc/sys/kernel/pid_max", limit);
	enroll(1);
	enroll(spawn_as(last, idle, NULL));
	ck_assert_int_ge(listed(last), 0);
	ck_assert_int_eq(lines(), 2);
}
END_TEST

void test_list(void)
{
	RUN(an_empty_registry_is_an_empty_file, 10, NEVER);
	RUN(a_line_is_pid_colon_blank_nanoseconds, 10, NEVER);
	RUN(buffers_of_every_size_give_the_same_text, 20, NEVER);
	RUN(pread_readv_sendfile_and_lseek_give_the_same_text, 60, NEVER);
	RUN(dd_gives_the_same_text, 20, NEVER);
	RUN(a_listing_skips_nobody_when_listed_ones_are_taken_back, 30, NEVER);
	RUN(a_listing_names_who_stays_exactly_once_whatever_happens, 30, "period_ms=10");
	RUN(a_listing_repeats_nobody_who_was_taken_back_and_came_again, 30, NEVER);
	RUN(registering_resuming_and_taking_back_cost_the_same_with_few_and_many, 60, NEVER);
	RUN(the_last_pid_that_can_be_is_listed, 10, NEVER);
	RUN(a_listing_ends_although_more_and_more_register, 30, NEVER);
}
