// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench.c - the cost of mp1, and of its rivals for the same processes
 *
 * usage: bench PROCESSES THREADS all | calls | pairs | quick | lock | idle
 *
 * all: mp1 and its rivals; calls: the same without pidstat and top; pairs: mp1 and BPF's iterator;
 * quick: mp1 only; lock: how long mp1 holds its lock, on a kernel with lock statistics; idle:
 * what happens while nothing is registered.
 *
 * Writes lines to /dev/report: cost NAME PROCESSES THREADS VALUE. VALUE is in ns per process
 * unless NAME says otherwise; in virtual time (vm/boot -v) a nanosecond is an instruction.
 * mp1/RIVAL is a ratio: an update and a listing against that rival.
 * Reboots at the end: ending 100,000 processes would take longer than everything else.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define STATUS	"/proc/mp1/status"
#define TRACING	"/sys/kernel/tracing/"
#define CGROUP	"/tmp/cgroup"

enum { STACK = 8192, BUSY = 16, REPEAT = 2, PAIRS = 21, ROUNDS = 3, LOCK_LINES = 50000 };

static struct crowd crowd;
static uint64_t *expected;	/* the times that mp1 says */
static double cost;		/* ns, of one update and one listing */
static FILE *report;

uint64_t now(void)
{
	struct timespec ts;

	OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

static void nap(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / SEC), (long)(ns % SEC) };

	OK(nanosleep(&ts, NULL));
}

static void spew(const char *path, const char *text)
{
	int fd = OK(open(path, O_WRONLY | O_TRUNC | O_CLOEXEC));

	OK(write(fd, text, strlen(text)));
	close(fd);
}

static void result(const char *name, double value)
{
	fprintf(report, "cost %s %d %d %.6g\n", name, crowd.n, crowd.threads, value);
	fflush(report);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median(uint64_t *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	return (double)values[n / 2];
}

/* The crowd: processes that share our memory; each has only two pages of stack of its own. */

static atomic_int ready;

static uint64_t cpu_time(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

/* The first ones use 5, 10, 15, … ms in each of two threads, so that times can be compared. */
static int be_thread(void *number)
{
	uint64_t ms = (uintptr_t)number;
	volatile int i;

	while (cpu_time(CLOCK_THREAD_CPUTIME_ID) < ms * MSEC)
		for (i = 0; i < 20000; i++)
			;
	atomic_fetch_add(&ready, 1);
	for (;;)
		syscall(SYS_pause);
	return 0;
}

static int be_process(void *number)
{
	int i;

	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (i = 1; i < crowd.threads; i++) {
		char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (stack == MAP_FAILED ||
		    clone(be_thread, stack + STACK, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND,
			  i == 1 ? number : NULL) < 0)
			_exit(1);
	}
	return be_thread(number);
}

static void gather_crowd(void)
{
	const struct rlimit limit = { 4000000, 4000000 }, files = { 200000, 200000 };
	char *stacks = mmap(NULL, (size_t)crowd.n * STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int i;

	if (stacks == MAP_FAILED)
		err(1, "no memory for %d stacks", crowd.n);
	spew("/proc/sys/kernel/pid_max", "4000000");
	spew("/proc/sys/kernel/threads-max", "4000000");
	spew("/proc/sys/vm/max_map_count", "4000000");
	OK(setrlimit(RLIMIT_NPROC, &limit));
	OK(setrlimit(RLIMIT_NOFILE, &files));
	crowd.pids = calloc((size_t)crowd.n, sizeof(*crowd.pids));
	for (i = 0; i < crowd.n; i++) {
		crowd.pids[i] = OK(clone(be_process, stacks + (size_t)(i + 1) * STACK,
					 CLONE_VM | SIGCHLD,
					 (void *)(uintptr_t)(i < BUSY ? 5 * (i + 1) : 0)));
		/* While many share a CPU, ticks, which taskstats counts, do not hit all alike. */
		while ((i < BUSY || i == crowd.n - 1) &&
		       atomic_load(&ready) < (i + 1) * crowd.threads)
			nap(MSEC);
	}
}

/* mp1 */

static void load(unsigned int period_ms)
{
	char parameters[32];
	int fd = OK(open("/mp1/mp1.ko", O_RDONLY | O_CLOEXEC));

	snprintf(parameters, sizeof(parameters), "period_ms=%u", period_ms);
	OK(syscall(SYS_finit_module, fd, parameters, 0));
	close(fd);
}

static void unload(void)
{
	OK(syscall(SYS_delete_module, "mp1", 0));
}

/* Write each PID, prefixed with @sign. If @name is not NULL, report under it what one takes. */
static void write_all(const char *name, const char *sign)
{
	int fd = OK(open(STATUS, O_WRONLY | O_CLOEXEC)), tenth = crowd.n / 10, i;
	struct text {
		char bytes[16];
		size_t length;
	} *texts = calloc((size_t)crowd.n, sizeof(*texts));
	uint64_t times[11];

	for (i = 0; i < crowd.n; i++)
		texts[i].length = (size_t)snprintf(texts[i].bytes, sizeof(texts->bytes), "%s%d",
						   sign, crowd.pids[i]);
	for (i = 0; i < crowd.n; i++) {
		if (i % tenth == 0)
			times[i / tenth] = now();
		OK(write(fd, texts[i].bytes, texts[i].length));
	}
	times[10] = now();
	close(fd);
	free(texts);
	if (!name)
		return;
	result(name, (double)(times[10] - times[0]) / crowd.n);
	if (!strcmp(name, "register"))
		result("last-tenth/first",
		       (double)(times[10] - times[9]) / (double)(times[1] - times[0]));
}

/*
 * Wait for the next update. Return how long it took, by the kernel's tracepoints. Waiting for its
 * beginning would slow it down, so wait where only ends are traced (bench/guest).
 */
static uint64_t next_update(void)
{
	uint64_t called = now(), begun = 0, took = 0;
	static FILE *ends, *trace;
	static char *line;
	static size_t size;

	if (!trace) {
		spew(TRACING "trace_clock", "mono");
		ends = fopen(TRACING "instances/ends/trace_pipe", "re");
		trace = fdopen(OK(open(TRACING "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC)), "r");
	}
	while (!took) {
		if (!ends || getline(&line, &size, ends) < 0)
			err(1, "trace_pipe");
		if (!strstr(line, " mp1_update"))
			continue;
		while (getline(&line, &size, trace) > 0) {
			char *event = strstr(line, ": workqueue_execute_");
			uint64_t at;

			if (!event || !strstr(event, " mp1_update"))
				continue;
			*event++ = '\0';	/* the time is the word before it */
			at = (uint64_t)(strtod(strrchr(line, ' '), NULL) * 1e9);
			if (strstr(event, "_start:"))
				begun = at;
			else if (begun >= called)
				took = at - begun;
		}
		clearerr(trace);	/* that was all, for now */
	}
	return took;
}

static uint64_t read_list(size_t chunk, uint64_t *times)
{
	static char *text;
	size_t size = 0, room = (size_t)crowd.n * 32 + 65536;
	uint64_t start;
	ssize_t n;
	char *p;
	int fd, i;

	if (!text)
		text = malloc(room);
	start = now();
	fd = OK(open(STATUS, O_RDONLY | O_CLOEXEC));
	while ((n = OK(read(fd, text + size, chunk))))
		size += (size_t)n;
	close(fd);
	start = now() - start;
	if (!times)
		return start;
	text[size] = '\0';
	for (p = text, i = 0; i < crowd.n; i++) {
		if (strtol(p, &p, 10) != crowd.pids[i] || *p != ':')
			errx(1, "line %d is not of process %d", i, crowd.pids[i]);
		times[i] = strtoull(p + 1, &p, 10);
		p++;
	}
	return start;
}

/* Bytes in objects of about the size of the module's */
static double slab(void)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	char line[300];
	double bytes = 0;

	if (!file)
		err(1, "/proc/slabinfo");
	while (fgets(line, sizeof(line), file)) {
		unsigned long all, size;

		if (sscanf(line, "kmalloc-%*s %*u %lu %lu", &all, &size) == 2 && size <= 192)
			bytes += (double)all * (double)size;
	}
	fclose(file);
	return bytes;
}

static void enter_cgroup(void)
{
	OK(mkdir(CGROUP, 0755));
	OK(mount("cgroup2", CGROUP, "cgroup2", 0, NULL));
	spew(CGROUP "/cgroup.subtree_control", "+memory");
	OK(mkdir(CGROUP "/bench", 0755));
	spew(CGROUP "/bench/cgroup.procs", "0");
}

/* All of these processes have the times that mp1 says, within the rival's resolution. */
static void check_times(const struct rival *rival, const uint64_t *times)
{
	int i, outliers = rival->sampled ? crowd.n / 4 : 0;
	uint64_t worst = 0;

	for (i = 0; i < crowd.n; i++) {
		uint64_t off = times[i] > expected[i] ? times[i] - expected[i] : expected[i] - times[i];

		if (off > worst)
			worst = off;
		if (off > rival->resolution && !outliers--)
			errx(1, "%s: process %d has used %llu ns, mp1 says %llu", rival->name,
			     crowd.pids[i], (unsigned long long)times[i],
			     (unsigned long long)expected[i]);
	}
	printf("%s differs by %.3f ms at most\n", rival->name, (double)worst / 1e6);
}

static void result_against(const struct rival *rival, double mp1, double other)
{
	char name[64];

	snprintf(name, sizeof(name), "mp1/%s", rival->name);
	result(name, mp1 / other);
}

/*
 * An update, a listing and then, if there is an @iterator, that, again and again: whatever else
 * slows the machine down slows down both sides of a ratio. Both begin after a pause, so that
 * neither finds in the caches what the other has just read.
 */
static void measure_pairs(const struct rival *iterator, unsigned int period_ms)
{
	uint64_t *times = calloc((size_t)crowd.n, sizeof(*times));
	uint64_t update[PAIRS], listing[PAIRS], other[PAIRS];
	int i;

	if (iterator) {
		iterator->prepare(&crowd);
		iterator->read(&crowd, times);
		check_times(iterator, times);
	}
	for (i = 0; i < PAIRS; i++) {
		update[i] = next_update();
		listing[i] = read_list(65536, NULL);
		if (iterator) {
			nap(period_ms / 3 * MSEC);
			other[i] = iterator->read(&crowd, times);
			result_against(iterator, (double)(update[i] + listing[i]), (double)other[i]);
		}
	}
	cost = median(update, PAIRS) + median(listing, PAIRS);
	result("update", median(update, PAIRS) / crowd.n);
	result("listing-64k", median(listing, PAIRS) / crowd.n);
	if (iterator) {
		result(iterator->name, median(other, PAIRS) / crowd.n);
		iterator->finish();
	}
	free(times);
}

static void measure_mp1(const struct rival *iterator)
{
	uint64_t took[PAIRS];
	unsigned int period_ms = 50 + (unsigned int)(crowd.n * crowd.threads) / 50;
	double before;
	int i;

	load(period_ms);
	write_all("register", "");
	write_all("unregister", "-");
	enter_cgroup();
	before = slab();
	write_all("register-charged", "");
	result("slab-bytes", (slab() - before) / crowd.n);
	next_update();
	read_list(65536, expected);
	measure_pairs(iterator, period_ms);
	for (i = 0; i < PAIRS; i++)
		took[i] = read_list(1024, NULL);
	result("listing-1k", median(took, PAIRS) / crowd.n);
	unload();
}

/* The longest hold of mp1_lock since the statistics were cleared, in ns */
static double longest_hold(void)
{
	FILE *file = fopen("/proc/lock_stat", "re");
	char line[500];
	double us = -1;

	if (!file)
		err(1, "/proc/lock_stat");
	while (fgets(line, sizeof(line), file))
		if (strstr(line, " mp1_lock:"))	/* class, 8 numbers, shortest, longest, … */
			sscanf(strchr(line, ':') + 1, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %lf", &us);
	fclose(file);
	if (us < 0)
		errx(1, "no statistics of mp1_lock");
	return us * 1000;
}

/*
 * A hold includes the interrupts that come during it. So measure each number of processes over
 * as many holds as LOCK_LINES processes cause, and take the best of REPEAT such rounds.
 */
static void measure_lock(void)
{
	unsigned int period_ms = crowd.n < 500 ? 10 : (unsigned int)crowd.n / 50;
	double best = 1e18, hold;
	int i, lines;

	load(period_ms);
	for (i = 0; i < REPEAT; i++) {
		spew("/proc/lock_stat", "0");
		for (lines = 0; lines < LOCK_LINES; lines += crowd.n) {
			write_all(NULL, "");
			nap(3 * period_ms * MSEC);
			read_list(65536, NULL);
			write_all(NULL, "-");
		}
		hold = longest_hold();
		if (hold < best)
			best = hold;
	}
	result("longest-hold", best);
	unload();
}

/* While nothing is registered, nothing may happen. */
static void measure_idle(void)
{
	char line[300];
	FILE *trace;
	int n = 0;

	load(100);
	spew(TRACING "trace", "");
	nap(30 * SEC);
	trace = fopen(TRACING "trace", "re");
	if (!trace)
		err(1, TRACING "trace");
	while (fgets(line, sizeof(line), trace))
		n += !!strstr(line, "mp1_");
	fclose(trace);
	crowd.n = 0;	/* so many were registered */
	result("idle-events", n);
	unload();
}

static void measure_rival(const struct rival *rival)
{
	uint64_t *times = calloc((size_t)crowd.n, sizeof(*times)), took[ROUNDS];
	int n = rival->is_tool ? 1 : ROUNDS, i;

	if (rival->prepare)
		rival->prepare(&crowd);
	/* The first round may be slow because it allocates buffers. Tools do so each time. */
	for (i = 0; i < n; i++)
		took[i] = rival->read(&crowd, times);
	if (rival->finish)
		rival->finish();
	check_times(rival, times);
	result(rival->name, median(took, n) / crowd.n);
	result_against(rival, cost, median(took, n));
	free(times);
}

int main(int argc, char **argv)
{
	const struct rival *rival;
	const char *what = argv[3];

	if (argc != 4)
		errx(2, "usage: bench PROCESSES THREADS all | calls | pairs | quick | lock | idle");
	report = fopen("/dev/report", "we");
	if (!report)
		err(1, "/dev/report");
	crowd.n = atoi(argv[1]);
	crowd.threads = atoi(argv[2]);
	expected = calloc((size_t)crowd.n, sizeof(*expected));
	gather_crowd();
	if (!strcmp(what, "lock"))
		measure_lock();
	else if (!strcmp(what, "idle"))
		measure_idle();
	else
		measure_mp1(strcmp(what, "quick") ? &bpf_iterator : NULL);
	for (rival = rivals; rival->name; rival++)
		if (!strcmp(what, "all") || (!strcmp(what, "calls") && !rival->is_tool))
			measure_rival(rival);
	fprintf(report, "end\n");
	fclose(report);
	OK(reboot(RB_AUTOBOOT));
	return 0;
}
