// SPDX-License-Identifier: GPL-2.0-only
/*
 * assignment.c - what the assignment asks of every solution, mp1 and others (grade/grade)
 *
 * These tests know nothing of mp1 beyond the assignment's text: no parameter, any unit of time,
 * any way of printing a line. grade/points.txt says what each is worth, and gives a hint to
 * those whose solution fails. Their messages are for students.
 *
 * One fault, one deduction: what write() returns, how reading ends, and where the file is and who
 * may use it, is judged by one test each. All others take the file that is there, and go by what
 * the list shows.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define UPDATE_TIME	(period() * 11 / 10)	/* by then, an update has come */
/* By then, one has come even if a timer takes jiffies for milliseconds: one test judges that. */
#define PATIENCE	(5 * UPDATE_TIME)
#define LATE		(600 * MSEC)	/* long timers fire up to half a second late */

/* The file */

/* All files in /proc that are there without the module, and no process's */
static char known[1 << 18];

static bool is_known(const char *path)
{
	char entry[300];

	snprintf(entry, sizeof(entry), "\n%s\n", path);
	return strstr(known, entry);
}

/* Call @found with each file below @folder, until it returns true. */
static bool walk(const char *folder, int depth, bool (*found)(const char *path))
{
	static const char *const others[] = { "self", "thread-self", "net", "sys", "irq", "bus" };
	DIR *entries = opendir(folder);
	struct dirent *entry;
	char path[300];
	bool done = false;
	size_t i;

	while (!done && entries && (entry = readdir(entries))) {
		for (i = 0; i < ARRAY_SIZE(others) && strcmp(entry->d_name, others[i]); i++)
			;
		if (isdigit(entry->d_name[0]) || entry->d_name[0] == '.' || i < ARRAY_SIZE(others))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= 250)
			continue;
		if (entry->d_type == DT_DIR && depth < 3)
			done = walk(path, depth + 1, found);
		else if (entry->d_type == DT_REG)
			done = found(path);
	}
	if (entries)
		closedir(entries);
	return done;
}

static bool learn(const char *path)
{
	size_t used = strlen(known);

	snprintf(known + used, sizeof(known) - used, "%s\n", path);
	return false;
}

__attribute__((constructor))
static void learn_all(void)
{
	strcpy(known, "\n");
	walk("/proc", 0, learn);
}

/* Where it should be: what the kernel hands on from its command line, or STATUS */
static const char *wanted(void)
{
	const char *file = getenv("MP1_FILE");

	return file ? file : STATUS;
}

static char actual[300];

static bool is_new(const char *path)
{
	if (is_known(path))
		return false;
	snprintf(actual, sizeof(actual), "%s", path);
	return true;
}

/* Where it is, once the module is loaded */
static const char *status_file(void)
{
	if (actual[0])
		return actual;
	if (!access(wanted(), F_OK))
		return wanted();
	ck_assert_msg(walk("/proc", 0, is_new), "the module creates no file in /proc");
	return actual;
}

static int open_file(int flags)
{
	int fd = open(status_file(), flags | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s cannot be opened: %m", status_file());
	return fd;
}

/* May everybody read and write it? */
static bool is_for_everybody(void)
{
	struct stat st;

	return !stat(status_file(), &st) && (st.st_mode & 0666) == 0666;
}

/* Reading */

enum { MUCH = 1 << 20 };

/* Do the @n bytes at @more begin with the first line of @text again? */
static bool repeats(const char *more, size_t n, const char *text)
{
	const char *end = memchr(text, '\n', n);
	size_t length = end ? (size_t)(end - text) : n;

	return !memcmp(more, text, length);
}

/* Reading as it should be, without trust that it ever ends: a list of a line takes two reads */
static void read_to_end(int fd)
{
	static char text[1 << 16];
	ssize_t n;
	int i;

	for (i = 0; i < 100; i++) {
		n = read(fd, text, sizeof(text));
		ck_assert_msg(n >= 0, "reading ends with an error: %m");
		ck_assert_msg((size_t)n <= sizeof(text), "read() returns %zd for %zu bytes", n,
			      sizeof(text));
		if (!n)
			return;
	}
	ck_abort_msg("reading does not end: read() never returns 0");
}

/* Has reading gone wrong? Tests of its own judge that; some others need to know. */
static bool misread;

/* What somebody sees who types cat, however reading ends */
static size_t read_what_comes(char *text, size_t chunk)
{
	int fd = open_file(O_RDONLY);
	size_t size = 0, more;
	ssize_t n;

	while (size + chunk <= MUCH && (n = read(fd, text + size, chunk))) {
		more = n < 0 ? 0 : (size_t)n > chunk ? chunk : (size_t)n;
		misread |= n != (ssize_t)more;
		if (!more)
			break;
		if (size && repeats(text + size, more, text)) {
			misread = true;
			break;
		}
		size += more;
	}
	misread |= size + chunk > MUCH;
	close(fd);
	text[size] = '\0';
	return size;
}

static char *list(void)
{
	static const size_t chunks[] = { 1 << 16, 4096, 1024, 128 };
	char *text = malloc(MUCH + 1);
	size_t i;

	ck_assert_ptr_nonnull(text);
	for (i = 0; i < ARRAY_SIZE(chunks) && !read_what_comes(text, chunks[i]); i++)
		;
	return text;
}

/* The number at or after @text, which stays on its line; NAN without one. Moves @text on. */
static double number(const char **text)
{
	double value = 0, digit = 0.1;

	while (!isdigit(**text))
		if (!**text || *(*text)++ == '\n')
			return NAN;
	for (; isdigit(**text); (*text)++)
		value = value * 10 + **text - '0';
	if (**text == '.')
		for ((*text)++; isdigit(**text); (*text)++, digit /= 10)
			value += (**text - '0') * digit;
	return value;
}

/* Find the line of @pid: the first number in it. Return: how many there are; *@time: the second */
static int find(const char *text, pid_t pid, double *time)
{
	int found = 0;

	while (text && *text) {
		const char *rest = text;

		if (number(&rest) == pid) {
			found++;
			if (time)
				*time = rest[0] == '\n' ? NAN : number(&rest);
		}
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return found;
}

static int count(pid_t pid)
{
	char *text = list();
	int n = find(text, pid, NULL);

	free(text);
	return n;
}

/* What the last write that was not taken as a whole returned, for those who wonder */
static char refused[80];

/* Write, as echo and fprintf() do. Return: what write() returns */
static ssize_t put(const char *text)
{
	int fd = open_file(O_WRONLY), err;
	ssize_t n = write(fd, text, strlen(text));

	err = errno;
	close(fd);
	if (n < 0)
		snprintf(refused, sizeof(refused), "; write() says: %s", strerror(err));
	else if (n != (ssize_t)strlen(text))
		snprintf(refused, sizeof(refused), "; write() returns %zd", n);
	errno = err;
	return n;
}

static ssize_t sign_up(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", pid);
	return put(text);
}

static const char *not_listed(void)
{
	static char text[160];

	snprintf(text, sizeof(text), "a process that was registered is not listed%s", refused);
	return text;
}

/*
 * slub_debug=P fills memory with 0x6b, and its last byte with 0xa5, before kmalloc() returns it:
 * nothing has been put there since. Signed, a5 at the front looks like another number.
 */
static bool was_never_set(double time)
{
	static const uint64_t poison[] = {
		0x6b6b6b6b6b6b6b6b, 0xa56b6b6b6b6b6b6b, -0xa56b6b6b6b6b6b6bULL,
		0x6b6b6b6b, 0xa56b6b6b, -0xa56b6b6bU,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(poison); i++)
		if (fabs(time / (double)poison[i] - 1) < 1e-9)
			return true;
	return false;
}

static double value(pid_t pid)
{
	char *text = list();
	double time = NAN;

	ck_assert_msg(find(text, pid, &time), "%s", not_listed());
	free(text);
	/* There may be none before the first update. */
	return isnan(time) || was_never_set(time) ? 0 : time;
}

/* Some solutions list a process only from the next update on. */
static void appears(pid_t pid)
{
	int64_t deadline = now() + PATIENCE;

	while (!count(pid)) {
		ck_assert_msg(now() < deadline, "%s", not_listed());
		nap(100 * MSEC);
	}
}

static void ordinary_user(void *unused)
{
	char text[4096];
	int fd;

	(void)unused;
	become(NOBODY);
	fd = open(status_file(), O_RDWR);
	if (fd < 0)
		_exit(errno);
	if (read(fd, text, sizeof(text)) < 0)
		errno = 0;		/* how reading ends, others judge */
	_exit(0);
}

TEST(loads_and_creates_a_file_for_everybody, .parameters = "")
{
	const char *file = status_file();
	int err;

	ck_assert_msg(!strcmp(file, wanted()),
		      "there is no %s, but %s: the other criteria use that", wanted(), file);
	err = wait_status(spawn(ordinary_user, NULL));
	ck_assert_msg(!err, "an ordinary user cannot read and write %s: %s", file, strerror(err));
}

TEST(registers_and_lists_a_process, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn_idle();

	sign_up(pid);
	appears(pid);
}

TEST(writing_returns_the_number_of_bytes, .parameters = "")
{
	pid_t pid = spawn_idle();
	char text[16];
	ssize_t n;

	snprintf(text, sizeof(text), "%d\n", pid);
	n = put(text);
	ck_assert_msg(n >= 0, "write() of \"PID\\n\" fails: %m");
	ck_assert_msg(n == (ssize_t)strlen(text), "write() returns %zd for %zu bytes", n,
		      strlen(text));
}

TEST(registers_without_a_line_end, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn_idle();
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	put(text);
	appears(pid);
}

TEST(a_line_is_a_pid_a_colon_and_a_time, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn_idle();
	char wanted[16], *text, *end;
	double time;

	sign_up(pid);
	appears(pid);
	text = list();
	text[strcspn(text, "\n")] = '\0';
	snprintf(wanted, sizeof(wanted), "%d: ", pid);
	ck_assert_msg(!strncmp(text, wanted, strlen(wanted)),
		      "the line is \"%s\", not \"%d: <time>\"", text, pid);
	time = strtod(text + strlen(wanted), &end);
	ck_assert_msg(end != text + strlen(wanted) && !*end,
		      "the line is \"%s\", not \"%d: <time>\"", text, pid);
	ck_assert_msg(!was_never_set(fabs(time)),
		      "the line is \"%s\" before the first update: this time was never set", text);
}

TEST(lists_several_processes, .parameters = "", .seconds = 60)
{
	pid_t pids[5];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = spawn_idle();
		sign_up(pids[i]);
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		appears(pids[i]);
}

static void burn_and_rest(void *unused)
{
	static char buffer[1 << 12];
	struct timespec ts;
	int64_t end;

	(void)unused;
	burn(1000 * MSEC);
	OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
	end = ts.tv_sec * SEC + ts.tv_nsec + 400 * MSEC;
	do {				/* 0.4 s in the kernel */
		getrandom(buffer, sizeof(buffer), 0);
		OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
	} while (ts.tv_sec * SEC + ts.tv_nsec < end);
	idle(NULL);
}

static const struct unit {
	const char *name;
	double ns;
} units[] = {
	{ "nanoseconds", 1 }, { "microseconds", 1e3 }, { "milliseconds", 1e6 },
	{ "jiffies of 4 ms", 4e6 }, { "ticks of 10 ms", 1e7 }, { "seconds", 1e9 },
};

/* The unit in which @value is @ns, or NULL */
static const struct unit *unit_of(double value, double ns)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (fabs(value * units[i].ns / ns - 1) < 0.15)
			return &units[i];
	return NULL;
}

static bool is_in_some_unit(double value, double ns)
{
	return unit_of(value, ns);
}

static bool tell_unit(double value, double ns)
{
	const struct unit *unit = unit_of(value, ns);

	if (unit)
		note("the time is in %s", unit->name);
	return unit;
}

TEST(shows_the_user_time, .parameters = "", .seconds = 120)
{
	pid_t pid = spawn(burn_and_rest, NULL);
	double shown, user, both;
	int64_t last, deadline;

	sign_up(pid);
	do {		/* until it rests */
		last = stat_utime(pid);
		nap(500 * MSEC);
	} while (last < 500 * MSEC || stat_utime(pid) != last);
	user = (double)stat_utime(pid);
	both = user + (double)stat_stime(pid);
	appears(pid);
	deadline = now() + PATIENCE;
	do {
		nap(500 * MSEC);
		shown = value(pid);
	} while (!is_in_some_unit(shown, user) && now() < deadline);
	ck_assert_msg(shown > 0, "the list shows 0 for a process that has computed for %.2f s",
		      user / SEC);
	if (tell_unit(shown, user))
		return;
	ck_assert_msg(!is_in_some_unit(shown, both),
		      "the list also counts time in the kernel: %.0f for %.2f s of %.2f s in all",
		      shown, user / SEC, both / SEC);
	ck_abort_msg("the list shows %.0f for %.2f s of user time; no unit makes that right", shown,
		     user / SEC);
}

/* A bit between any two updates: computing is what costs in virtual time. */
static void burn_a_bit_each_period(void *unused)
{
	(void)unused;
	for (;;) {
		burn(40 * MSEC);
		nap(period() / 3);
	}
}

static void burn_now_and_then(void *unused)
{
	(void)unused;
	for (;;) {
		burn(40 * MSEC);
		nap(460 * MSEC);
	}
}

/* Wait, at most for the next update, until the time of @pid is above @least. Return: the time */
static double rises_above(pid_t pid, double least)
{
	int64_t deadline = now() + PATIENCE;
	double time;

	do {
		nap(100 * MSEC);
		time = value(pid);
	} while (time <= least && now() < deadline);
	return time;
}

TEST(a_time_rises_while_its_process_computes, .parameters = "", .seconds = 120)
{
	pid_t pid = spawn(burn_a_bit_each_period, NULL);
	double first, second;

	sign_up(pid);
	appears(pid);
	first = rises_above(pid, 0);
	second = rises_above(pid, first);
	if (second <= first && !unload_module()) {	/* no second update? Others judge that. */
		must_load("");
		sign_up(pid);
		appears(pid);
		first = fmax(first, value(pid));	/* it may be known at once */
		second = rises_above(pid, first);
	}
	ck_assert_msg(second > first, "%.0f at an update, %.0f at the next one: it did not rise",
		      first, second);
}

static void burn_a_bit(void *unused)
{
	(void)unused;
	burn(200 * MSEC);
	idle(NULL);
}

TEST(a_time_rests_while_its_process_sleeps, .parameters = "", .seconds = 120)
{
	pid_t pid = spawn(burn_a_bit, NULL);
	double first, second;

	sign_up(pid);
	nap(SEC + UPDATE_TIME);
	appears(pid);
	first = rises_above(pid, 0);
	nap(PATIENCE);
	second = value(pid);
	ck_assert_msg(first == second, "%.0f, then %.0f, although the process slept", first,
		      second);
}

/* Wait until the time of @pid changes. Return: when */
static int64_t change(pid_t pid)
{
	const int64_t patience = PATIENCE;
	int64_t deadline = now() + patience;
	double before = value(pid);

	while (value(pid) == before) {
		ck_assert_msg(now() < deadline, "no update in %.0f s", (double)patience / SEC);
		nap(50 * MSEC);
	}
	return now();
}

/* Wait until a process that has ended is removed, as an update does. Return: when */
static int64_t removal(int64_t deadline)
{
	pid_t canary = spawn_idle();

	sign_up(canary);
	finish(canary);
	while (count(canary)) {
		if (now() > deadline)
			return 0;
		nap(50 * MSEC);
	}
	return now();
}

static bool is_a_period(int64_t ns)
{
	return llabs(ns - period()) < period() / 10;
}

/* Do updates remove processes every period? Where reading looks times up, only this shows it. */
static bool removes_every_period(void)
{
	int64_t last = removal(now() + PATIENCE), next;
	int i;

	for (i = 0; i < 4; i++) {
		next = removal(last + 2 * period());
		if (!last || !is_a_period(next - last))
			return false;
		last = next;
	}
	return true;
}

TEST(updates_the_times_every_period, .parameters = "", .seconds = 240)
{
	pid_t pid = spawn(burn_a_bit_each_period, NULL);
	int64_t last, next;
	int i;

	sign_up(pid);
	appears(pid);
	last = change(pid);
	for (i = 0; i < 4; i++) {
		next = change(pid);
		if (!is_a_period(next - last) && removes_every_period())
			return;
		ck_assert_msg(is_a_period(next - last),
			      "%.2f s from one update to the next, not %lld",
			      (double)(next - last) / SEC, (long long)(period() / SEC));
		last = next;
	}
}

TEST(reading_does_not_update, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn(burn_now_and_then, NULL);
	int64_t end;
	int changes = 0;
	double last;

	sign_up(pid);
	appears(pid);
	last = value(pid);
	for (end = now() + period() * 8 / 10; now() < end; nap(100 * MSEC)) {
		double next = value(pid);

		changes += next != last;
		last = next;
	}
	ck_assert_msg(changes <= 1,
		      "the time changed %d times between two updates: it is looked up at each read",
		      changes);
}

TEST(a_long_list_is_complete, .parameters = "", .seconds = 60)
{
	enum { MANY = 1200, MOST = 1 << 22 };
	static bool is_there[MOST];
	static pid_t pids[MANY];
	char *text, *line, *rest;
	int i, missing = 0;
	size_t size;

	hush();
	spew("/proc/sys/kernel/threads-max", "20000");	/* a small machine has fewer */
	spawn_many(pids, MANY);
	for (i = 0; i < MANY; i++)
		sign_up(pids[i]);
	nap(UPDATE_TIME);
	text = list();
	size = strlen(text);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		const char *at = line;
		double pid = number(&at);

		if (pid >= 0 && pid < MOST)
			is_there[(size_t)pid] = true;
	}
	for (i = 0; i < MANY; i++)
		missing += !is_there[pids[i]];
	free(text);
	ck_assert_msg(!missing,
		      "%d of %d registered processes are in the list, which ends after %zu bytes%s",
		      MANY - missing, MANY, size, refused);
}

/* @chunk bytes at a time, up to a bit more than @most; whether it ends with 0, others judge */
static char *read_pieces(size_t chunk, size_t most)
{
	char *text = malloc(MUCH + 1);
	int fd = open_file(O_RDONLY);
	size_t size = 0;
	ssize_t n;

	ck_assert_ptr_nonnull(text);
	do {
		n = read(fd, text + size, chunk);
		ck_assert_msg(n <= (ssize_t)chunk, "read() returns %zd for %zu bytes", n, chunk);
		size += n > 0 ? (size_t)n : 0;
	} while (n > 0 && size <= most);
	close(fd);
	text[size] = '\0';
	return text;
}

TEST(small_reads_give_the_same_text, .parameters = "", .seconds = 60)
{
	static const size_t chunks[] = { 5, 7 };	/* one may fit the lines by chance */
	char *whole, *pieces;
	size_t i;

	for (i = 0; i < 3; i++) {
		pid_t pid = spawn_idle();

		sign_up(pid);
		appears(pid);
	}
	whole = list();
	for (i = 0; i < ARRAY_SIZE(chunks); i++) {
		pieces = read_pieces(chunks[i], strlen(whole));
		ck_assert_msg(!strcmp(whole, pieces),
			      "read %zu bytes at a time, the list is \"%s\" instead of \"%s\"",
			      chunks[i], pieces, whole);
		free(pieces);
	}
	free(whole);
}

TEST(reading_comes_to_an_end, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn_idle();
	int fd;

	sign_up(pid);
	appears(pid);
	fd = open_file(O_RDONLY);
	read_to_end(fd);
	read_to_end(fd);
	close(fd);
}

/* Two updates, because the first may have begun before */
static void disappears(pid_t pid)
{
	int64_t deadline = now() + 2 * PATIENCE;

	while (count(pid)) {
		ck_assert_msg(now() < deadline,
			      "a process has ended, but two updates later it is still listed");
		nap(100 * MSEC);
	}
}

TEST(an_ended_process_disappears, .parameters = "", .seconds = 180)
{
	pid_t stays = spawn_idle(), goes = spawn_idle(), late;

	sign_up(stays);
	sign_up(goes);
	appears(stays);
	finish(goes);
	disappears(goes);
	late = spawn_idle();
	sign_up(late);
	appears(late);
	appears(stays);
}

TEST(wrong_input_harms_nothing, .parameters = "", .seconds = 60)
{
	static const char *const inputs[] = {
		"",	   "\n",     "abc\n", "-1\n", "0\n", "99999999\n", "99999999999999999999\n",
		"12 34\n", "%s%n\n",
	};
	static char much[5000], *volatile bad_address = (char *)16;
	volatile size_t huge = 1 << 30;
	pid_t pid = spawn_idle();
	size_t i;
	int fd;

	memset(much, '7', sizeof(much));
	fd = open_file(O_WRONLY);
	for (i = 0; i < ARRAY_SIZE(inputs); i++)
		if (write(fd, inputs[i], strlen(inputs[i])) < 0)
			errno = 0;		/* refused, or taken: both are right */
	for (i = 0; i < 3; i++)
		if (write(fd, i < 2 ? much : bad_address, i == 1 ? huge : sizeof(much)) < 0)
			errno = 0;
	close(fd);
	nap(2 * UPDATE_TIME);
	sign_up(pid);
	appears(pid);
}

/* Does it leave with a process that has registered once? */
TEST(registering_twice_is_harmless, .parameters = "", .seconds = 180)
{
	pid_t pid = spawn_idle(), once = spawn_idle();
	int64_t deadline;
	char text[16];
	int fd, n;

	sign_up(pid);
	fd = open_file(O_WRONLY);
	snprintf(text, sizeof(text), "%d\n", pid);
	if (write(fd, text, strlen(text)) < 0)
		note("registering a process again fails: %m");
	close(fd);
	appears(pid);
	n = count(pid);
	if (n > 1)
		note("registered twice, a process has %d lines", n);
	sign_up(once);
	appears(once);
	finish(pid);
	finish(once);
	for (deadline = now() + 2 * PATIENCE; count(once) && now() < deadline;)
		nap(100 * MSEC);
	ck_assert_msg(count(once) || !count(pid),
		      "a process that registered twice and has ended is still listed");
}

static int *registrations;	/* of all writers */

static void register_and_end(void)
{
	pid_t pid = spawn_idle();

	sign_up(pid);
	finish(pid);
	__atomic_add_fetch(registrations, 1, __ATOMIC_RELAXED);
}

static void write_again_and_again(void *unused)
{
	(void)unused;
	for (;;)
		register_and_end();
}

static void read_again_and_again(void *unused)
{
	(void)unused;
	for (;;)
		free(list());
}

enum { STAY = 20 };

static void register_some(pid_t *pids)
{
	int i;

	for (i = 0; i < STAY; i++) {
		pids[i] = spawn_idle();
		sign_up(pids[i]);
	}
}

static bool are_listed(const pid_t *pids)
{
	int i;

	for (i = 0; i < STAY && count(pids[i]); i++)
		;
	return i == STAY;
}

/* A list that is cut, or that nothing is removed from, loses them without any others at once. */
static bool are_listed_after(int n)
{
	pid_t stays[STAY];

	if (unload_module())
		return true;
	must_load("");
	register_some(stays);
	while (n--)
		register_and_end();
	nap(UPDATE_TIME);
	return are_listed(stays);
}

TEST(readers_and_writers_at_once_harm_nothing, .parameters = "", .seconds = 120)
{
	pid_t workers[6], stays[STAY];
	size_t i;

	registrations = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(registrations != MAP_FAILED);
	register_some(stays);
	for (i = 0; i < ARRAY_SIZE(workers); i++)
		workers[i] = spawn(i % 3 ? read_again_and_again : write_again_and_again, NULL);
	nap(UPDATE_TIME + SEC);	/* an update meets them as well */
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		ck_assert_msg(!waitpid(workers[i], NULL, WNOHANG), "a reader or writer failed");
		finish(workers[i]);
	}
	if (are_listed(stays))
		return;
	nap(UPDATE_TIME);	/* some list a process only then */
	ck_assert_msg(are_listed(stays) || !are_listed_after(*registrations), "%s", not_listed());
}

static void unloads(void)
{
	const char *file = status_file();
	int err = unload_module();

	ck_assert_msg(!err, "the module cannot be unloaded: %s", strerror(err));
	ck_assert_msg(access(file, F_OK), "the module is unloaded, but its file is still there");
}

TEST(unloads_with_processes_registered, .parameters = NOT_LOADED, .seconds = 60)
{
	int i;

	must_load("");
	for (i = 0; i < 10; i++)
		sign_up(spawn_idle());
	nap(UPDATE_TIME);
	unloads();
	nap(UPDATE_TIME);	/* is anything still called? */
}

/*
 * Unload while an update is pending: this thread is ahead of all others on its CPU, so the timer's
 * function still runs, as an interrupt, but the work that it queues has to wait.
 */
static void unload_at(int64_t due, int64_t late)
{
	struct sched_param first = { .sched_priority = 1 }, usual = { 0 };
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	OK(sched_setaffinity(0, sizeof(cpu), &cpu));
	OK(sched_setscheduler(0, SCHED_FIFO, &first));
	nap(due - 20 * MSEC - now());
	while (now() < due + late)
		;
	unloads();
	OK(sched_setscheduler(0, SCHED_OTHER, &usual));
}

TEST(unloads_right_before_and_after_an_update, .parameters = NOT_LOADED, .seconds = 120)
{
	static const int64_t late[] = { -4 * MSEC, 0, 4 * MSEC, LATE };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(late); i++) {
		int64_t due;

		must_load("");
		due = now() + period();
		sign_up(spawn_idle());
		unload_at(due, late[i]);
		nap(UPDATE_TIME);
	}
}

TEST(unloads_while_the_file_is_open, .parameters = NOT_LOADED, .seconds = 60)
{
	static char text[1 << 16];	/* more than asked for: it may not be heeded */
	int fd, err, i;

	must_load("");
	sign_up(spawn_idle());
	fd = open_file(O_RDONLY);
	if (read(fd, text, 4096) < 0)
		errno = 0;		/* others judge that, and small reads */
	err = unload_module();
	ck_assert_msg(!err || err == EWOULDBLOCK,
		      "the module cannot be unloaded with the file open: %s", strerror(err));
	for (i = 0; i < 100 && read(fd, text, 4096) > 0; i++)
		;
	close(fd);
	if (err)
		unloads();
}

TEST(loads_and_unloads_20_times, .parameters = NOT_LOADED, .seconds = 180)
{
	int i;

	for (i = 0; i < 20; i++) {
		must_load("");
		sign_up(getpid());
		unloads();
	}
}

/* Objects that kmalloc() has handed out */
static long allocated(void)
{
	char *slabs = slurp("/proc/slabinfo"), *line;
	long sum = 0, n;

	for (line = slabs; (line = strstr(line, "\nkmalloc")); line++)
		if (sscanf(line, " %*s %ld", &n) == 1)
			sum += n;
	free(slabs);
	return sum;
}

/* What the kernel's own leak finder finds, or -1 if this kernel has none */
static long leaked(void)
{
	static const char finder[] = "/sys/kernel/debug/kmemleak";
	char *found, *line;
	long n = 0;

	if (access(finder, W_OK))
		return -1;
	nap(6 * SEC);		/* it reports no younger objects */
	spew(finder, "scan");
	nap(6 * SEC);
	spew(finder, "scan");
	found = slurp(finder);
	for (line = found; (line = strstr(line, "unreferenced object")); line++)
		n++;
	free(found);
	spew(finder, "clear");	/* the next test is not to blame */
	return n;
}

/* Objects that the kernel keeps, since it has found that something was written past their end */
static long kept(void)
{
	char *log;
	long n = 0;

	if (!found_overwritten())
		return 0;
	for (log_lines(&log); (log = strstr(log, " not freed")); log++)
		n++;
	return n;
}

/* The list, and its end: each may leave a buffer behind. */
static void read_twice(void)
{
	static char text[1 << 16];	/* more than asked for: it may not be heeded */
	int fd = open_file(O_RDONLY);

	if (read(fd, text, 4096) < 0 || read(fd, text, 4096) < 0)
		errno = 0;		/* others judge that */
	close(fd);
}

TEST(frees_its_memory, .parameters = NOT_LOADED, .seconds = 180, .needs = "/proc/slabinfo")
{
	enum { MANY = 400 };
	static pid_t pids[MANY];
	long before = 0, grown, lost;
	int rounds = 5, i, j;

	hush();
	log_mark();
	spawn_many(pids, MANY);
	for (i = 0; i <= rounds; i++) {
		must_load("");
		sign_up(pids[0]);
		for (j = 0; j < MANY; j++)
			read_twice();	/* while the list is short: what counts is how often */
		for (j = 1; j < MANY; j++)
			sign_up(pids[j]);
		unloads();
		nap(SEC);
		if (!i)
			before = allocated() - kept();
		if (found_overwritten())
			rounds = 1;	/* each object is a report of a page */
	}
	grown = allocated() - kept() - before;
	lost = leaked();
	if (lost >= 0)		/* such a kernel does not reuse freed memory for a while */
		grown = 0;
	ck_assert_msg(grown < MANY * rounds / 4 && lost <= 0,
		      "%d registrations and reads left %ld allocations after unloading",
		      MANY * rounds, lost > 0 ? lost : grown);
}

/* Their userapp */

struct userapp {
	pid_t pid;		/* 0 once it has ended */
	char path[16];		/* of its output */
	bool was_listed;
	int64_t used, rested;	/* its CPU time, and when that last rose */
	int asks;		/* tells of its reads and writes, if these are wrong; or -1 */
	char *text;		/* of the list, of which it has read a part */
	size_t has_read;
};

/*
 * A child that runs userapp: as an ordinary user, if the file is for everybody, with nothing of
 * ours open, and with no one at the keyboard.
 */
static void run_userapp(void *argument)
{
	static const struct rlimit output = { 16 << 20, 16 << 20 };
	struct userapp *app = argument;
	int out = open(app->path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	int in = open("/dev/null", O_RDONLY);

	if (out < 0 || in < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0 ||
	    dup2(in, STDIN_FILENO) < 0 || syscall(SYS_close_range, 3, ~0U, 0))
		_exit(127);
	if (is_for_everybody())
		become(NOBODY);
	setrlimit(RLIMIT_FSIZE, &output);
	execl("/mp1/userapp", "userapp", NULL);
	_exit(127);
}

/*
 * What write() returns and how reading ends are judged by tests of their own, but stdio repeats a
 * write that returned 0, and reads on to an end that may never come. So where one is known to be
 * wrong, a thread that asks us about each read() and write() starts userapp. What goes to the
 * file we write, and what the list shows counts as written; what comes from it is our own list.
 */
static void *run_userapp_that_asks(void *argument)
{
	struct sock_filter ask[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { ARRAY_SIZE(ask), ask };
	struct userapp *app = argument;

	/* Without seccomp in this kernel, userapp gets what the module returns. */
	app->asks = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				 SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
	app->pid = OK(fork());	/* a child of spawn() would end with this thread */
	if (!app->pid)
		run_userapp(app);
	return NULL;
}

static void start_userapp(struct userapp *app)
{
	pthread_t thread;

	app->asks = -1;
	app->rested = now();
	if (!refused[0] && !misread) {
		app->pid = spawn(run_userapp, app);
		return;
	}
	ck_assert(!pthread_create(&thread, NULL, run_userapp_that_asks, app));
	ck_assert(!pthread_join(thread, NULL));
}

static bool has_been_listed(struct userapp *app)
{
	if (!app->was_listed)
		app->was_listed = count(app->pid);
	return app->was_listed;
}

static void answer_a_write(struct userapp *app, const struct seccomp_notif *asked,
			   struct seccomp_notif_resp *answer)
{
	struct iovec from = { (void *)(uintptr_t)asked->data.args[1], asked->data.args[2] };
	char text[4096] = "";
	struct iovec to = { text, sizeof(text) - 1 };

	answer->flags = 0;
	process_vm_readv((pid_t)asked->pid, &to, 1, &from, 1, 0);
	answer->val = put(text);
	answer->error = answer->val < 0 ? -errno : 0;
	if (has_been_listed(app)) {
		answer->val = (int64_t)from.iov_len;
		answer->error = 0;
	}
}

static void forget_list(struct userapp *app)
{
	free(app->text);
	app->text = NULL;
	app->has_read = 0;
}

static void answer_a_read(struct userapp *app, const struct seccomp_notif *asked,
			  struct seccomp_notif_resp *answer)
{
	struct iovec from, to = { (void *)(uintptr_t)asked->data.args[1], asked->data.args[2] };

	answer->flags = 0;
	if (!app->text)
		app->text = list();
	from.iov_base = app->text + app->has_read;
	from.iov_len = strlen(from.iov_base);
	if (from.iov_len) {
		answer->val = process_vm_writev((pid_t)asked->pid, &from, 1, &to, 1, 0);
		answer->error = answer->val < 0 ? -errno : 0;
		app->has_read += answer->val < 0 ? 0 : (size_t)answer->val;
	} else {			/* the end: the next read begins a new list */
		forget_list(app);
	}
}

static void answer_a_call(struct userapp *app)
{
	struct seccomp_notif asked = { 0 };
	struct seccomp_notif_resp answer = { 0 };
	char path[64], file[300] = "";

	if (ioctl(app->asks, SECCOMP_IOCTL_NOTIF_RECV, &asked))
		return;			/* it was killed meanwhile */
	answer.id = asked.id;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", asked.pid, (int)asked.data.args[0]);
	answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (readlink(path, file, sizeof(file) - 1) > 0 && !strcmp(file, status_file())) {
		if (asked.data.nr == SYS_close)
			forget_list(app);
		else if (asked.data.nr == SYS_write && refused[0])
			answer_a_write(app, &asked, &answer);
		else if (asked.data.nr == SYS_read && misread)
			answer_a_read(app, &asked, &answer);
	}
	ioctl(app->asks, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void answer_its_calls(struct userapp *app)
{
	struct pollfd asks = { .fd = app->asks, .events = POLLIN };

	while (poll(&asks, 1, 2) > 0 &&	/* ms: the next one may come soon */
	       (asks.revents & POLLIN))
		answer_a_call(app);
}

/* @other is registered as well: its line shows that the list was read. */
static void userapp_has_ended(struct userapp *app, int status, pid_t other, bool must_print)
{
	char *output = slurp(app->path), *shown = output[0] ? output : "nothing";
	bool prints = find(output, app->pid, NULL), has_read = find(output, other, NULL);

	ck_assert_msg(!WIFSIGNALED(status) || WTERMSIG(status) != SIGXFSZ,
		      "userapp prints without end: %.200s", output);
	ck_assert_msg(WIFEXITED(status), "userapp was killed by signal %d: %.200s",
		      WTERMSIG(status), output);
	ck_assert_msg(WEXITSTATUS(status) != 127 || output[0], "userapp does not start");
	ck_assert_msg(app->was_listed || (prints && has_read),
		      "userapp does not register itself; it prints: %.200s", shown);
	ck_assert_msg(prints || !must_print,
		      "userapp does not print its own line of the list; it prints: %.200s", shown);
	free(output);
}

/* Why it did not end: the next criterion need not wait for the same again. */
#define ENDS_LATE "/ends_late"

/* It has not ended in time: because it computes, which emulation makes slow, or waits? */
static void ends_late(bool computes, const char *why)
{
	if (computes)
		cannot_tell();
	ck_abort_msg("%s", why);
}

static void userapp_still_runs(int64_t used, int64_t ns)
{
	bool computes = used > ns / 4;
	char text[100];

	if (computes)
		snprintf(text, sizeof(text), "userapp still computes after %lld s; this computer "
			 "is slow", (long long)(ns / SEC));
	else
		snprintf(text, sizeof(text), "userapp does not end: in %lld s, it computed for "
			 "%.1f s. Does it wait?", (long long)(ns / SEC), (double)used / SEC);
	spew(ENDS_LATE, text);
	ends_late(computes, text);
}

/* Wait until all @n have ended. Were they registered before? */
static void userapps_work(int n)
{
	static struct userapp apps[2] = { { .path = "/tmp/out0" }, { .path = "/tmp/out1" } };
	const int64_t limit = 100 * SEC, start = now();
	int i, left = n, status;
	pid_t other = spawn_idle();

	if (!access(ENDS_LATE, F_OK)) {
		char *why = slurp(ENDS_LATE);

		ends_late(strstr(why, "still computes"), why);
	}
	sign_up(other);
	while (!count(other) && now() - start < UPDATE_TIME)
		nap(100 * MSEC);	/* until something shows how reading ends */
	for (i = 0; i < n; i++)
		start_userapp(&apps[i]);
	while (left) {
		nap(20 * MSEC);
		for (i = 0; i < n; i++) {
			struct userapp *app = &apps[i];
			int64_t used;

			if (!app->pid)
				continue;
			answer_its_calls(app);
			has_been_listed(app);
			used = stat_utime(app->pid) + stat_stime(app->pid);
			if (used != app->used)
				app->rested = now();
			app->used = used;
			if (waitpid(app->pid, &status, WNOHANG) > 0) {
				userapp_has_ended(app, status, other, n == 1);
				app->pid = 0;
				left--;
			} else if (now() - start > limit || now() - app->rested > limit / 2) {
				userapp_still_runs(used, now() - start);
			}
		}
	}
}

TEST(userapp_registers_and_prints_the_list, .parameters = "", .seconds = 150)
{
	userapps_work(1);
}

TEST(two_userapps_run_at_once, .parameters = "", .seconds = 150)
{
	userapps_work(2);
}

/* Beyond the assignment */

static void *burn_thread(void *unused)
{
	burn(300 * MSEC);
	return unused;
}

static void burn_in_threads(void *unused)
{
	pthread_t threads[3];
	size_t i;

	(void)unused;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, burn_thread, NULL);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	idle(NULL);
}

TEST(beyond_all_threads_count, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn(burn_in_threads, NULL);

	sign_up(pid);
	nap(3 * SEC + UPDATE_TIME);
	ck_assert_msg(is_in_some_unit(value(pid), (double)stat_utime(pid)),
		      "the list shows %.0f, but its three threads used %.2f s of user time",
		      value(pid), (double)stat_utime(pid) / SEC);
}

TEST(beyond_twenty_updates_take_twenty_periods, .parameters = "", .seconds = 200)
{
	pid_t pid = spawn(burn_a_bit_each_period, NULL);
	int64_t first;
	int i;

	sign_up(pid);
	appears(pid);
	first = change(pid);
	for (i = 0; i < 19; i++) {
		nap(period() * 8 / 10);
		change(pid);
	}
	nap(period() * 8 / 10);
	ck_assert_msg(llabs(change(pid) - first - 20 * period()) < LATE,
		      "20 updates take %.2f s", (double)(now() - first) / SEC);
}

TEST(beyond_a_reused_pid_is_not_the_old_process, .parameters = "", .seconds = 60,
	.needs = "/proc/sys/kernel/ns_last_pid")
{
	pid_t pid = spawn_idle();

	sign_up(pid);
	appears(pid);
	finish(pid);
	spawn_as(pid, idle, NULL);
	nap(2 * UPDATE_TIME);
	ck_assert_msg(!count(pid), "process %d has ended; another one with this PID is listed",
		      pid);
}

TEST(beyond_a_pid_of_nobody_is_an_error, .parameters = "")
{
	int fd = open_file(O_WRONLY);
	ssize_t n = write(fd, "4000000\n", 8);

	close(fd);
	ck_assert_msg(n < 0, "registering 4000000, which no process has, looks like a success");
}
