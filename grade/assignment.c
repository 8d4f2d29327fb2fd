// SPDX-License-Identifier: GPL-2.0-only
/*
 * assignment.c - what the assignment asks of every solution, mp1 and others (grade/grade)
 *
 * These tests know nothing of mp1 beyond the assignment's text: no parameter, any unit of time,
 * any way of printing a line. grade/points.txt says what each is worth, and gives a hint to
 * those whose solution fails. Their messages are for students.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define UPDATE_TIME	(period() * 11 / 10)	/* by then, an update has come */
#define LATE		(600 * MSEC)	/* long timers fire up to half a second late */

/* Do the @n bytes at @more begin with the first line of @text again? */
static bool repeats(const char *more, size_t n, const char *text)
{
	const char *end = memchr(text, '\n', n);
	size_t length = end ? (size_t)(end - text) : n;

	return !memcmp(more, text, length);
}

/*
 * Reading, without trust that it ever ends. If every read() starts at the beginning again, that
 * is one mistake: only the tests of reading are strict about it.
 */
static char *read_to_end(int fd, size_t chunk, bool strict)
{
	enum { MUCH = 1 << 20 };
	char *text = malloc(MUCH + 1);
	size_t size = 0;
	ssize_t n;

	ck_assert_ptr_nonnull(text);
	do {
		ck_assert_msg(size + chunk <= MUCH, "reading does not end: read() never returns 0");
		n = read(fd, text + size, chunk);
		ck_assert_msg(n >= 0, "reading fails: %m");
		ck_assert_msg((size_t)n <= chunk, "read() returns %zd for %zu bytes", n, chunk);
		if (!strict && size && n && repeats(text + size, (size_t)n, text))
			break;
		size += (size_t)n;
	} while (n);
	text[size] = '\0';
	return text;
}

static int open_file(int flags)
{
	int fd = open(STATUS, flags | O_CLOEXEC);

	ck_assert_msg(fd >= 0, STATUS ": %m");
	return fd;
}

static char *list(void)
{
	int fd = open_file(O_RDONLY);
	char *text = read_to_end(fd, 1 << 16, false);

	close(fd);
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

static double value(pid_t pid)
{
	char *text = list();
	double time = NAN;

	ck_assert_msg(find(text, pid, &time), "process %d is registered, but not listed", pid);
	ck_assert_msg(!isnan(time), "the line of process %d shows no time", pid);
	free(text);
	return time;
}

static int count(pid_t pid)
{
	char *text = list();
	int n = find(text, pid, NULL);

	free(text);
	return n;
}

/* Write, as echo and fprintf() do */
static void put(const char *text)
{
	int fd = open_file(O_WRONLY);
	ssize_t n = write(fd, text, strlen(text));

	ck_assert_msg(n >= 0, "writing %s fails: %m", text);
	ck_assert_msg(n == (ssize_t)strlen(text), "write() returns %zd for %zu bytes", n,
		      strlen(text));
	close(fd);
}

static void sign_up(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", pid);
	put(text);
}

/* Some solutions list a process only from the next update on. */
static void appears(pid_t pid)
{
	int64_t deadline = now() + UPDATE_TIME;

	while (!count(pid)) {
		ck_assert_msg(now() < deadline, "process %d is registered, but not listed", pid);
		nap(100 * MSEC);
	}
}

static void ordinary_user(void *unused)
{
	char text[4096];
	int fd;

	(void)unused;
	become(NOBODY);
	fd = open(STATUS, O_RDWR);
	_exit(fd < 0 || read(fd, text, 1) < 0 ? errno : 0);
}

TEST(loads_and_creates_a_file_for_everybody, .parameters = "")
{
	int err;

	ck_assert_msg(!access(STATUS, F_OK), "there is no " STATUS);
	err = wait_status(spawn(ordinary_user, NULL));
	ck_assert_msg(!err, "an ordinary user cannot read and write " STATUS ": %s", strerror(err));
}

TEST(registers_and_lists_a_process, .parameters = "")
{
	pid_t pid = spawn_idle();

	sign_up(pid);
	appears(pid);
}

TEST(registers_without_a_line_end, .parameters = "")
{
	pid_t pid = spawn_idle();
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	put(text);
	appears(pid);
}

TEST(a_line_is_a_pid_a_colon_and_a_time, .parameters = "")
{
	pid_t pid = spawn_idle();
	char wanted[16], *text, *end;

	sign_up(pid);
	appears(pid);
	text = list();
	text[strcspn(text, "\n")] = '\0';
	snprintf(wanted, sizeof(wanted), "%d: ", pid);
	ck_assert_msg(!strncmp(text, wanted, strlen(wanted)),
		      "the line is \"%s\", not \"%d: <time>\"", text, pid);
	strtod(text + strlen(wanted), &end);
	ck_assert_msg(end != text + strlen(wanted) && !*end,
		      "the line is \"%s\", not \"%d: <time>\"", text, pid);
}

TEST(lists_several_processes, .parameters = "")
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

/* Is @value @ns in some unit? Prints which. */
static bool is_in_some_unit(double value, double ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "nanoseconds", 1 }, { "microseconds", 1e3 }, { "milliseconds", 1e6 },
		{ "jiffies of 4 ms", 4e6 }, { "ticks of 10 ms", 1e7 }, { "seconds", 1e9 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (fabs(value * units[i].ns / ns - 1) < 0.15) {
			note("the time is in %s", units[i].name);
			return true;
		}
	}
	return false;
}

TEST(shows_the_user_time, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn(burn_and_rest, NULL);
	double shown, user, both;
	int64_t last;

	sign_up(pid);
	do {		/* until it rests */
		last = stat_utime(pid);
		nap(500 * MSEC);
	} while (last < 500 * MSEC || stat_utime(pid) != last);
	nap(SEC + UPDATE_TIME);
	shown = value(pid);
	user = (double)stat_utime(pid);
	both = user + (double)stat_stime(pid);
	ck_assert_msg(shown > 0, "the list shows 0 for a process that has computed for %.2f s",
		      user / SEC);
	if (is_in_some_unit(shown, user))
		return;
	ck_assert_msg(!is_in_some_unit(shown, both),
		      "the list counts time in the kernel, too: %.0f for %.2f s of %.2f s in all",
		      shown, user / SEC, both / SEC);
	ck_abort_msg("the list shows %.0f for %.2f s of user time; no unit makes that right", shown,
		     user / SEC);
}

static void burn_now_and_then(void *unused)
{
	(void)unused;
	for (;;) {
		burn(40 * MSEC);
		nap(460 * MSEC);
	}
}

TEST(a_time_rises_while_its_process_computes, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn(burn_now_and_then, NULL);
	double first, second;

	sign_up(pid);
	nap(UPDATE_TIME);
	first = value(pid);
	nap(UPDATE_TIME);
	second = value(pid);
	ck_assert_msg(second > first, "%.0f at an update, %.0f at the next one: it did not rise",
		      first, second);
}

static void burn_a_bit(void *unused)
{
	(void)unused;
	burn(200 * MSEC);
	idle(NULL);
}

TEST(a_time_rests_while_its_process_sleeps, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn(burn_a_bit, NULL);
	double first, second;

	sign_up(pid);
	nap(SEC + UPDATE_TIME);
	first = value(pid);
	nap(2 * UPDATE_TIME);
	second = value(pid);
	ck_assert_msg(first == second, "%.0f, then %.0f, although the process slept", first,
		      second);
}

/* Wait until the time of @pid changes. Return: when */
static int64_t change(pid_t pid)
{
	const int64_t patience = 4 * period();
	int64_t deadline = now() + patience;
	double before = value(pid);

	while (value(pid) == before) {
		ck_assert_msg(now() < deadline, "no update in %.0f s", (double)patience / SEC);
		nap(20 * MSEC);
	}
	return now();
}

TEST(updates_the_times_every_period, .parameters = "", .seconds = 90)
{
	pid_t pid = spawn(burn_now_and_then, NULL);
	int64_t last, next;
	int i;

	sign_up(pid);
	appears(pid);
	last = change(pid);
	for (i = 0; i < 4; i++) {
		next = change(pid);
		ck_assert_msg(llabs(next - last - period()) < period() / 10,
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
	enum { MANY = 1200 };
	static pid_t pids[MANY];
	int i, missing = 0;
	size_t size;
	char *text;

	spawn_many(pids, MANY);
	for (i = 0; i < MANY; i++)
		sign_up(pids[i]);
	nap(UPDATE_TIME);
	text = list();
	size = strlen(text);
	for (i = 0; i < MANY; i++)
		missing += !find(text, pids[i], NULL);
	free(text);
	ck_assert_msg(!missing,
		      "%d of %d registered processes are in the list, which ends after %zu bytes",
		      MANY - missing, MANY, size);
}

TEST(small_reads_give_the_same_text, .parameters = "", .seconds = 60)
{
	char *whole, *pieces;
	int fd, i;

	for (i = 0; i < 3; i++) {
		pid_t pid = spawn_idle();

		sign_up(pid);
		appears(pid);
	}
	whole = list();
	fd = open_file(O_RDONLY);
	pieces = read_to_end(fd, 5, true);
	close(fd);
	ck_assert_msg(!strcmp(whole, pieces),
		      "read 5 bytes at a time, the list is \"%s\" instead of \"%s\"", pieces,
		      whole);
	free(whole);
	free(pieces);
}

TEST(reading_comes_to_an_end, .parameters = "")
{
	pid_t pid = spawn_idle();
	int fd;

	sign_up(pid);
	appears(pid);
	fd = open_file(O_RDONLY);
	free(read_to_end(fd, 1 << 16, true));
	free(read_to_end(fd, 1 << 16, true));
	close(fd);
}

/* Two updates, because the first may have begun before */
static void disappears(pid_t pid)
{
	int64_t deadline = now() + 2 * UPDATE_TIME;

	while (count(pid)) {
		ck_assert_msg(now() < deadline,
			      "process %d has ended, but two updates later it is still listed",
			      pid);
		nap(100 * MSEC);
	}
}

TEST(an_ended_process_disappears, .parameters = "", .seconds = 60)
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

TEST(registering_twice_is_harmless, .parameters = "", .seconds = 60)
{
	pid_t pid = spawn_idle();
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
	finish(pid);
	disappears(pid);
}

static void write_again_and_again(void *unused)
{
	(void)unused;
	for (;;) {
		pid_t pid = spawn_idle();

		sign_up(pid);
		finish(pid);
	}
}

static void read_again_and_again(void *unused)
{
	(void)unused;
	for (;;)
		free(list());
}

TEST(readers_and_writers_at_once_harm_nothing, .parameters = "", .seconds = 60)
{
	pid_t workers[6], stays[20];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stays); i++) {
		stays[i] = spawn_idle();
		sign_up(stays[i]);
	}
	for (i = 0; i < ARRAY_SIZE(workers); i++)
		workers[i] = spawn(i % 3 ? read_again_and_again : write_again_and_again, NULL);
	nap(UPDATE_TIME + SEC);	/* an update meets them, too */
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		ck_assert_msg(!waitpid(workers[i], NULL, WNOHANG), "a reader or writer failed");
		finish(workers[i]);
	}
	for (i = 0; i < ARRAY_SIZE(stays); i++)
		appears(stays[i]);
}

static void unloads(void)
{
	int err = unload_module();

	ck_assert_msg(!err, "the module cannot be unloaded: %s", strerror(err));
	ck_assert_msg(access(STATUS, F_OK),
		      "the module is unloaded, but " STATUS " is still there");
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
static void unload_at(int64_t when)
{
	struct sched_param first = { .sched_priority = 1 }, usual = { 0 };
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	OK(sched_setaffinity(0, sizeof(cpu), &cpu));
	OK(sched_setscheduler(0, SCHED_FIFO, &first));
	nap(when - LATE - now());
	while (now() < when)
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
		unload_at(due + late[i]);
		nap(UPDATE_TIME);
	}
}

TEST(unloads_while_the_file_is_open, .parameters = NOT_LOADED, .seconds = 60)
{
	char text[4096];	/* much more than asked for: it may not be heeded */
	int fd, err, i;

	must_load("");
	sign_up(spawn_idle());
	fd = open_file(O_RDONLY);
	ck_assert_msg(read(fd, text, 8) >= 0, "reading fails: %m");
	err = unload_module();
	ck_assert_msg(!err || err == EWOULDBLOCK,
		      "the module cannot be unloaded with the file open: %s", strerror(err));
	for (i = 0; i < 100 && read(fd, text, 8) > 0; i++)
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

TEST(frees_its_memory, .parameters = NOT_LOADED, .seconds = 180, .needs = "/proc/slabinfo")
{
	enum { MANY = 400, ROUNDS = 10 };
	static pid_t pids[MANY];
	long before = 0, grown, lost;
	int i, j;

	spawn_many(pids, MANY);
	for (i = 0; i <= ROUNDS; i++) {
		must_load("");
		for (j = 0; j < MANY; j++)
			sign_up(pids[j]);
		unloads();
		nap(SEC);
		if (!i)
			before = allocated();
	}
	grown = allocated() - before;
	lost = leaked();
	if (lost >= 0)		/* such a kernel does not reuse freed memory for a while */
		grown = 0;
	ck_assert_msg(grown < MANY * ROUNDS / 2 && lost <= 0,
		      "%d registrations left %ld allocations after the module was unloaded",
		      MANY * ROUNDS, lost > 0 ? lost : grown);
}

/* Their userapp */

static const char *no_userapp(void)
{
	return access("/mp1/userapp", X_OK) ? "there is no userapp" : NULL;
}

/* A child that runs userapp as an ordinary user, with its output in @path */
static void run_userapp(void *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
	become(NOBODY);
	execl("/mp1/userapp", "userapp", NULL);
	_exit(127);
}

static void userapp_has_ended(pid_t pid, int status, const char *path, bool was_listed)
{
	char *output = slurp(path);
	bool prints = find(output, pid, NULL);

	ck_assert_msg(WIFEXITED(status), "userapp was killed by signal %d: %s", WTERMSIG(status),
		      output);
	ck_assert_msg(was_listed || prints, "userapp does not register itself; it prints: %.200s",
		      output);
	ck_assert_msg(prints, "userapp does not print its own line of the list; it prints: %.200s",
		      output);
	free(output);
}

/* Wait until all @n have ended. Were they registered before? */
static void userapps_work(int n)
{
	static char paths[2][16] = { "/tmp/out0", "/tmp/out1" };
	bool registered[2] = { false, false };
	int64_t deadline = now() + 120 * SEC;	/* emulation is slow */
	pid_t pids[2];
	int i, left = n, status;

	for (i = 0; i < n; i++)
		pids[i] = spawn(run_userapp, paths[i]);
	while (left) {
		ck_assert_msg(now() < deadline,
			      "cannot tell: userapp still runs after two minutes of emulation");
		nap(20 * MSEC);
		for (i = 0; i < n; i++) {
			if (!pids[i])
				continue;
			registered[i] = registered[i] || count(pids[i]);
			if (waitpid(pids[i], &status, WNOHANG) > 0) {
				userapp_has_ended(pids[i], status, paths[i], registered[i]);
				pids[i] = 0;
				left--;
			}
		}
	}
}

TEST(userapp_registers_and_prints_the_list, .parameters = "", .seconds = 150, .skip = no_userapp)
{
	userapps_work(1);
}

TEST(two_userapps_run_at_once, .parameters = "", .seconds = 150, .skip = no_userapp)
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
	pid_t pid = spawn(burn_now_and_then, NULL);
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
