// SPDX-License-Identifier: GPL-2.0-only
/* list.c - reading the list: its format, and that no process is skipped or repeated */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
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

TEST(an_empty_registry_is_an_empty_file)
{
	char *list = read_list();

	ck_assert_str_eq(list, "");
}

TEST(a_line_is_pid_colon_blank_nanoseconds)
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

TEST(buffers_of_every_size_give_the_same_text)
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

TEST(pread_readv_sendfile_and_lseek_give_the_same_text)
{
	int fd, out = OK(memfd_create("out", 0));
	char *list, *rest, a[100], b[200];
	struct iovec parts[] = { { a, sizeof(a) }, { b, sizeof(b) } };
	size_t length, at;

	enroll_many(1000);
	list = read_list();
	length = strlen(list);
	fd = status_open();
	for (at = length; at-- > 0;) {		/* backwards: each read needs a seek */
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

/* Read a block of a list of @n processes, then remove a line before the block's end. */
static int read_block_and_change(char *block, size_t size, int n)
{
	int fd = status_open();

	enroll_many(n);
	enroll(1);
	ck_assert_int_eq(OK(read(fd, block, size)), (ssize_t)size);
	ck_assert_int_eq(write_pid(-1), 0);
	return fd;
}

/* Reading @length bytes from @at on must give @text: in several reads, if need be. */
static void assert_reads(int fd, off_t at, const char *text, size_t length)
{
	char again[4096];
	ssize_t n;

	OK(lseek(fd, at, SEEK_SET));
	while (length) {
		n = OK(read(fd, again, length < sizeof(again) ? length : sizeof(again)));
		ck_assert_int_gt(n, 0);
		ck_assert_msg(!memcmp(again, text, (size_t)n),
			      "at %lld: '%.20s', should be '%.20s'", (long long)at, again, text);
		at += n;
		text += n;
		length -= (size_t)n;
	}
}

/* As shells do: they read a block, use one line of it, and seek back to the next one. */
TEST(a_seek_back_into_the_last_read_gives_the_same_bytes)
{
	char block[1000], *rest, *list;
	int fd = read_block_and_change(block, sizeof(block), 500);
	off_t at;

	for (at = 1; at < 1000; at += 37) {
		assert_reads(fd, at, block + at, 1000 - (size_t)at);
		assert_reads(fd, at, block + at, 10 < 1000 - at ? 10 : 1000 - (size_t)at);
	}
	/* Reading then continues where the block ended: no line is torn, skipped or repeated. */
	assert_reads(fd, 500, block + 500, 500);
	OK(lseek(fd, 500, SEEK_SET));
	rest = read_all(fd, 4096);
	list = read_list();
	ck_assert(!memcmp(rest, block + 500, 500));
	rest = strchr(rest, '\n');
	ck_assert_str_eq(rest, strstr(list, rest));
}

static char *bad_memory;	/* begins after @page bytes that can be written */

static void map_bad_memory(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	ck_assert_ptr_ne(area, MAP_FAILED);
	bad_memory = area + page;
	OK(munmap(bad_memory, page));
}

/* A read that returns nothing, or less than it could, must not make the file forget its block. */
static void read_no_bytes(int fd)
{
	ck_assert_int_eq(OK(read(fd, bad_memory, 0)), 0);
}

static void read_into_bad_memory(int fd)
{
	ck_assert_int_eq(read(fd, bad_memory, 4096), -1);
	ck_assert_int_eq(errno, EFAULT);
}

/* Some architectures copy up to the bad page, others (i386, s390x) nothing. */
static void read_until_bad_memory(int fd)
{
	ssize_t n = read(fd, bad_memory - 99, 4096);

	ck_assert_msg(n > 0 ? n <= 99 : errno == EFAULT, "%zd", n);
}

static void read_a_little(int fd)
{
	ck_assert_int_gt(OK(read(fd, bad_memory - 7, 7)), 0);
}

TEST(a_read_inside_the_block_keeps_it_whatever_it_returns)
{
	static void (*const reads[])(int fd) = {
		read_no_bytes, read_into_bad_memory, read_until_bad_memory, read_a_little,
	};
	char block[4096], again[4096], *list;
	ssize_t length;
	size_t i;
	off_t at;

	map_bad_memory();
	enroll_many(600);
	for (i = 0; i < ARRAY_SIZE(reads); i++) {
		int fd = status_open();

		enroll(1);
		list = read_list();
		length = OK(read(fd, block, sizeof(block)));
		ck_assert_int_lt(length, strlen(list) - 2000);
		ck_assert_int_eq(write_pid(-1), 0);
		for (at = 10; at < length - 100; at += 1011) {
			OK(lseek(fd, at, SEEK_SET));
			reads[i](fd);
			at = OK(lseek(fd, 0, SEEK_CUR));
			ck_assert_int_lt(at, length);	/* or the next block begins here */
			ck_assert_int_eq(OK(read(fd, again, sizeof(again))), length - at);
			ck_assert(!memcmp(again, block + at, (size_t)(length - at)));
			assert_reads(fd, 20, block + 20, (size_t)length - 20);
		}
		close(fd);
	}
}

/* Once part of a block was read, in whatever way, the next read gives the rest, and it alone. */
TEST(a_read_returns_bytes_of_one_block)
{
	static void (*const reads[])(int fd) = { read_until_bad_memory, read_a_little };
	char rest[4096], *list;
	ssize_t n;
	size_t i;
	off_t at;

	map_bad_memory();
	enroll_many(600);
	for (i = 0; i < ARRAY_SIZE(reads); i++) {
		int fd = status_open();

		enroll(1);
		list = read_list();
		reads[i](fd);
		ck_assert_int_eq(write_pid(-1), 0);
		at = OK(lseek(fd, 0, SEEK_CUR));
		if (at) {	/* otherwise the list as it is now begins here */
			n = OK(read(fd, rest, sizeof(rest)));
			ck_assert_int_gt(n, 0);
			ck_assert_msg(!memcmp(rest, list + at, (size_t)n), "'%.20s'", rest);
			assert_reads(fd, at + 1, rest + 1, (size_t)n - 1);
		}
		close(fd);
	}
}

/*
 * Read, seek, change the list, at random: what the last read returned can be read again, and no
 * line is torn where one read ends and the next begins.
 */
TEST(what_the_last_read_returned_can_be_read_again_whatever_happens)
{
	char last[8192], again[8192];
	int fd, step, there[50] = { 0 };
	off_t begin = 0, at;
	ssize_t length = 0, n;
	size_t size;

	map_bad_memory();
	enroll_many(700);
	fd = status_open();
	srandom(1);
	for (step = 0; step < 4000; step++) {
		int i = (int)(random() % 50);

		ck_assert_int_eq(write_pid(there[i] ? pids[i] : -pids[i]), 0);
		there[i] = !there[i];
		/* Go on where the last read ended, or go back into what it returned. */
		at = begin + (random() % 3 && length ? random() % length : length);
		size = (size_t)(random() % 4 ? random() % 300 : random() % (long)sizeof(again)) + 1;
		OK(lseek(fd, at, SEEK_SET));
		switch (random() % 6) {
		case 0:
			read_no_bytes(fd);
			break;
		case 1:
			if (at && at < begin + length)
				read_into_bad_memory(fd);
			break;
		}
		n = OK(read(fd, again, size));
		if (at && at < begin + length) {
			ssize_t both = n < begin + length - at ? n : begin + length - at;

			ck_assert_int_gt(n, 0);
			ck_assert_msg(!memcmp(again, last + (at - begin), (size_t)both),
				      "step %d: '%.*s' at %lld, should be '%.*s'", step, (int)both,
				      again, (long long)at, (int)both, last + (at - begin));
			continue;
		}
		if (at && n && last[length - 1] == '\n')
			ck_assert_msg(strtol(again, &(char *){ NULL }, 10) > 100 || n < 6,
				      "step %d: '%.20s' after the end of a line", step, again);
		memcpy(last, again, (size_t)n);
		begin = n ? at : 0;
		length = n;
	}
}

TEST(a_seek_past_the_block_goes_on_in_the_text)
{
	char block[100], *list;
	int fd = status_open();
	off_t at, length;

	enroll_many(500);
	list = read_list();
	length = (off_t)strlen(list);
	ck_assert_int_gt(length, 3000);
	for (at = 100; at < length - 100; at += 700) {
		ck_assert_int_eq(OK(pread(fd, block, sizeof(block), 0)), 100);
		assert_reads(fd, at, list + at, 100);
	}
}

/*
 * Have sendfile() write @first bytes, and then fewer than it has read: only @most in all. The
 * kernel then moves the position back without a seek.
 */
static void cut_sendfile_short(size_t first, size_t most)
{
	int fd = status_open(), out = OK(memfd_create("out", 0));
	struct rlimit limit = { most, RLIM_INFINITY };
	char *list, *rest;
	size_t done = 0;

	enroll(1);
	list = read_list();
	OK(setrlimit(RLIMIT_FSIZE, &limit));
	while (done < first)
		done += (size_t)OK(sendfile(out, fd, NULL, first - done));
	while (done < most)
		done += (size_t)OK(sendfile(out, fd, NULL, 9000));
	limit.rlim_cur = RLIM_INFINITY;		/* or Check could not write down a failure */
	OK(setrlimit(RLIMIT_FSIZE, &limit));
	ck_assert_int_eq(write_pid(-1), 0);
	rest = read_all(fd, 4096);	/* the rest of the block, then the list as it is now */
	ck_assert_msg(!strncmp(rest, list + done, strcspn(rest, "\n") + 1),
		      "%zu of %zu: '%.20s' in place of '%.20s'", first, most, rest, list + done);
	rest = strchr(rest, '\n');
	ck_assert_ptr_nonnull(strstr(list, rest));
	free(list);
	close(fd);
	close(out);
}

TEST(a_sendfile_that_is_cut_short_tears_no_line)
{
	size_t first;

	enroll_many(700);
	signal(SIGXFSZ, SIG_IGN);
	cut_sendfile_short(0, 1000);
	cut_sendfile_short(100, 5000);
	for (first = 2990; first < 3010; first++)	/* its block ends within a line of it */
		cut_sendfile_short(first, first + 1);
}

TEST(a_seek_to_0_gives_the_list_of_that_moment)
{
	char block[300], text[4096];
	int fd = read_block_and_change(block, sizeof(block), 100);

	OK(lseek(fd, 100, SEEK_SET));
	ck_assert_int_eq(OK(lseek(fd, 0, SEEK_SET)), 0);
	ck_assert_str_eq(read_all(fd, 4096), read_list());
	OK(lseek(fd, -100, SEEK_CUR));
	text[OK(pread(fd, text, sizeof(text) - 1, 0))] = '\0';
	ck_assert_str_eq(text, read_list());
	OK(lseek(fd, 10, SEEK_SET));
	enroll(1);
	text[OK(pread(fd, text, sizeof(text) - 1, 0))] = '\0';
	ck_assert_str_eq(text, read_list());
}

TEST(a_seek_that_fails_changes_nothing)
{
	static const struct {
		off_t offset;
		int whence;
	} seeks[] = {
		{ -1, SEEK_SET }, { -1000, SEEK_CUR }, { INT64_MIN, SEEK_SET },
		{ INT64_MIN, SEEK_CUR }, { 1, SEEK_END }, { -1, SEEK_END },
		{ 100, SEEK_END }, { 100, SEEK_DATA }, { 100, SEEK_HOLE }, { 100, 77 },
	};
	char block[300], *list;
	int fd = status_open();
	size_t i;

	enroll_many(100);
	list = read_list();
	ck_assert_int_eq(OK(read(fd, block, sizeof(block))), 300);
	for (i = 0; i < ARRAY_SIZE(seeks); i++) {
		ck_assert_int_eq(lseek(fd, seeks[i].offset, seeks[i].whence), -1);
		ck_assert_int_eq(errno, EINVAL);
		ck_assert_int_eq(OK(lseek(fd, 0, SEEK_CUR)), 300 + 100 * (off_t)(i % 2));
		if (i % 2)
			OK(lseek(fd, 300, SEEK_SET));
		assert_reads(fd, 300, list + 300, 100);
		if (i % 2)
			OK(lseek(fd, -100, SEEK_CUR));
	}
}

/* Appending begins with this seek. Programs that read take the result as the file's size. */
TEST(the_end_is_at_0_for_writers_and_unknown_to_readers)
{
	int modes[] = { O_WRONLY, O_WRONLY | O_APPEND, O_RDWR }, fd;
	size_t i;

	enroll(1);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		fd = OK(open(STATUS, modes[i] | O_CLOEXEC));
		ck_assert_int_eq(OK(lseek(fd, 0, SEEK_END)), 0);
	}
	ck_assert_str_eq(read_all(fd, 4096), read_list());
	ck_assert_int_eq(OK(lseek(fd, 0, SEEK_END)), 0);
	ck_assert_str_eq(read_all(fd, 4096), read_list());
	fd = OK(open(STATUS, O_RDONLY | O_CLOEXEC));
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), -1);
	ck_assert_int_eq(errno, EINVAL);
}

TEST(a_read_into_bad_memory_loses_nothing)
{
	char block[300], *list;
	int fd = status_open(), back, at;
	ssize_t n;

	map_bad_memory();
	enroll_many(100);
	list = read_list();
	for (back = 0; back < 2; back++) {	/* in sequence, and after a seek back */
		OK(lseek(fd, 0, SEEK_SET));
		ck_assert_int_eq(OK(read(fd, block, sizeof(block))), 300);
		if (back)
			OK(lseek(fd, 100, SEEK_SET));
		read_into_bad_memory(fd);
		at = back ? 100 : 300;
		n = read(fd, bad_memory - 7, 200);
		if (n < 0)
			ck_assert_int_eq(errno, EFAULT);
		else
			ck_assert_int_le(n, 7);
		n = n < 0 ? 0 : n;
		ck_assert(!memcmp(bad_memory - 7, list + at, (size_t)n));
		ck_assert_str_eq(read_all(fd, 4096), list + at + n);
	}
}

TEST(dd_gives_the_same_text)
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

static int compare(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

/*
 * Read the list in pieces of @chunk bytes and call @disturb between them. Processes still
 * in pids[] at the end (not 0) must be listed exactly once, and no process twice.
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

static void unregister(int i)
{
	if (!pids[i])
		return;
	ck_assert_int_eq(write_pid(-pids[i]), 0);
	pids[i] = 0;
}

static void unregister_first_ones(int step)
{
	int i;

	if (step == 1)
		for (i = 0; i < 150; i++)
			unregister(i);
}

TEST(a_listing_skips_nobody_when_listed_ones_are_unregistered)
{
	enroll_many(MANY);
	read_disturbed(2048, unregister_first_ones);
}

/* Register new ones, unregister some here and there, let some exit, and reap part of these. */
static void everything(int step)
{
	int i;

	for (i = 0; i < 5 && step < 100; i++)
		enroll(spawn_idle());
	for (i = 0; i < 20; i++)
		unregister((step * 37 + i * 71) % MANY);
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

TEST(a_listing_names_those_that_stay_exactly_once_whatever_happens,
	.parameters = "period_ms=10", .seconds = 240)
{
	enroll_many(MANY);
	read_disturbed(1024, everything);
}

/* Out and in again: wherever it is put now, it must not be listed a second time. */
static void unregister_and_register(int step)
{
	int i;

	for (i = 0; i < 40; i++) {
		pid_t pid = pids[(step * 40 + i) % MANY];

		ck_assert_int_eq(write_pid(-pid), 0);
		enroll(pid);
	}
}

TEST(a_listing_repeats_nobody_that_was_unregistered_and_came_again)
{
	enroll_many(MANY);
	read_disturbed(1024, unregister_and_register);
}

TEST(a_listing_is_in_the_order_of_pids_in_whatever_order_they_come_and_go)
{
	char *list, *rest, *line;
	int i, n, last;

	spawn_many(pids, MANY);
	for (n = 0; n < 3; n++) {
		for (i = 0; i < MANY; i++)	/* 7 and 1500 are coprime: this reaches all */
			enroll(pids[i * 7 % MANY]);
		for (i = 0; i < MANY; i += 2)
			ck_assert_int_eq(write_pid(-pids[i * 11 % MANY]), 0);
		list = read_list();
		rest = list;
		last = 0;
		for (i = 0; (line = strsep(&rest, "\n")) && *line; i++) {
			ck_assert_int_gt(atoi(line), last);
			last = atoi(line);
		}
		ck_assert_int_eq(i, MANY / 2);
		free(list);
	}
}

TEST(a_listing_ends_although_more_and_more_register)
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

/*
 * If a call costs the same however many processes there are, it takes no longer at the end
 * than at the beginning. Walking 5000 would take ten times as long. A busy machine may slow
 * down some calls, so compare the medians of the first and the last third.
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

static const char *coarse_clock(void)
{
	struct timespec resolution;

	return clock_getres(CLOCK_MONOTONIC, &resolution) || resolution.tv_nsec > 1000 ?
		"the clock of this kernel has only ticks" : NULL;
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
	ck_assert_int_eq(send_pid(flat_fd, flat_pids[i]), 0);
}

static void unregister_one(int i)
{
	ck_assert_int_eq(send_pid(flat_fd, -flat_pids[i]), 0);
}

static void read_some(int i)
{
	char c[9];

	(void)i;	/* lines have 8 bytes or more: nearly every call resumes */
	ck_assert_int_gt(read(flat_fd, c, sizeof(c)), 0);
}

TEST(registering_resuming_and_unregistering_cost_the_same_with_many, .skip = coarse_clock)
{
	spawn_many(flat_pids, FLAT);
	flat_fd = status_open();
	assert_flat(register_one, "registering");
	assert_flat(read_some, "resuming a listing");
	assert_flat(unregister_one, "unregistering");
}

TEST(the_last_pid_that_can_be_is_listed)
{
	int fd = OK(open("/proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC));
	pid_t last = (1 << 22) - 1;

	if (write(fd, "4194304", 7) < 0) {	/* on 32 bits, or with CONFIG_BASE_SMALL */
		ck_assert_int_eq(write(fd, "32768", 5), 5);
		last = (1 << 15) - 1;
	}
	close(fd);
	enroll(1);
	enroll(spawn_as(last, idle, NULL));
	ck_assert_int_ge(listed(last), 0);
	ck_assert_int_eq(lines(), 2);
}
