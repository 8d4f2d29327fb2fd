// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpus.c - CPUs that come and go, that one process hogs, or that are all suspended
 *
 * Runs in its own machine, with four CPUs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define WAKE_UP	"/sys/class/rtc/rtc0/wakealarm"

enum { CPUS = 4, STABLE = 20, PERIOD_MS = 50 };

static pid_t stable[STABLE];
static atomic_bool stop;
static atomic_int listings, registrations;
static _Atomic int64_t longest_nap;	/* how long this machine made a thread wait */

static const char *no_four_cpus(void)
{
	if (sysconf(_SC_NPROCESSORS_CONF) < CPUS)
		return "needs four CPUs: make test TESTS=cpus";
	return NULL;
}

static struct utsname kernel(void)
{
	struct utsname name;

	OK(uname(&name));
	return name;
}

static bool realtime_kernel(void)
{
	return strstr(kernel().version, "PREEMPT_RT");
}

static const char *no_hotplug(void)
{
	if (!strcmp(kernel().machine, "s390x") || !strcmp(kernel().machine, "riscv64"))
		return "in QEMU, it stops for good when busy CPUs go offline, even without mp1";
	return access("/sys/devices/system/cpu/cpu1/online", W_OK) ?
	       "this machine's CPUs cannot go offline" : no_four_cpus();
}

static void *measure_naps(void *unused)
{
	while (!atomic_load(&stop)) {
		int64_t start = now(), took;

		nap(PERIOD_MS * MSEC);
		took = now() - start;
		if (took > atomic_load(&longest_nap))
			atomic_store(&longest_nap, took);
	}
	return unused;
}

/* Each stable process is on each listing once, and its time does not decrease. */
static void *read_on(void *unused)
{
	long long last[STABLE] = { 0 };

	while (!atomic_load(&stop)) {
		bool seen[STABLE] = { false };
		char *text = read_list(), *line, *rest = text;
		int i;

		while ((line = strsep(&rest, "\n")) && *line) {
			long long time;
			int pid;

			if (sscanf(line, "%d: %lld", &pid, &time) != 2)
				return "a line is torn";
			for (i = 0; i < STABLE && stable[i] != pid; i++)
				;
			if (i == STABLE)
				continue;
			if (seen[i])
				return "a process is there twice";
			if (time < last[i])
				return "a time decreases";
			seen[i] = true;
			last[i] = time;
		}
		for (i = 0; i < STABLE; i++)
			if (!seen[i])
				return "a process is missing";
		free(text);
		atomic_fetch_add(&listings, 1);
	}
	return unused;
}

static void *register_on(void *unused)
{
	while (!atomic_load(&stop)) {
		pid_t pid = fork();

		if (!pid)
			for (;;)
				pause();
		if (write_pid(pid))
			return "registering fails";
		finish(pid);
		atomic_fetch_add(&registrations, 1);
	}
	return unused;
}

static void set_online(int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	spew(path, online ? "1" : "0");
}

static void enroll_stable(void)
{
	int i;

	for (i = 0; i < STABLE; i++) {
		stable[i] = i % 5 ? spawn_idle() : spawn(burn_forever, NULL);
		enroll(stable[i]);
	}
}

/*
 * From @start to @end, did updates come every period, and no more of them? Allow for what this
 * machine makes everybody wait, and for @allowed on top.
 */
static void assert_regular(int64_t start, int64_t end, int64_t allowed)
{
	int64_t last = start, when, pause = 0;
	long n = 0, due = (end - start) / (PERIOD_MS * MSEC);

	while (last < end && trace_next(UPDATE, &when, now() + 20 * SEC)) {
		if (when < start)
			continue;
		n += when <= end;
		if (when - last > pause)
			pause = when - last;
		last = when;
	}
	note("%ld updates, %ld due; longest pause %lld ms, longest nap of %d ms: %lld ms", n, due,
	     (long long)(pause / MSEC), PERIOD_MS, (long long)(longest_nap / MSEC));
	ck_assert_msg(last >= end, "updates do not go on");
	ck_assert_msg(n <= due + 2, "a burst");
	ck_assert_msg(pause < 3 * longest_nap + 100 * MSEC + allowed, "updates paused");
}

TEST(cpus_come_and_go_and_nobody_notices,
	.parameters = "period_ms=50", .seconds = 240, .needs = TRACING, .skip = no_hotplug)
{
	static void *(*const work[])(void *) = { measure_naps, read_on, read_on, register_on };
	pthread_t threads[ARRAY_SIZE(work)];
	int64_t start, end;
	int changes = 0;
	void *complaint;
	size_t i;

	run_on(0, 1, 1);	/* the timer is that of the CPU on which the first one registers */
	enroll(getpid());
	run_on(0, 0, CPUS - 1);
	enroll_stable();
	trace_begin();
	for (i = 0; i < ARRAY_SIZE(work); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work[i], NULL), 0);
	start = now();
	end = start + (finds_bugs() ? 30 : 10) * SEC;
	set_online(1, false);
	set_online(1, true);
	while (now() < end || changes <= 4 || listings <= 100 || registrations <= 10) {
		int cpu = 1 + rand() % (CPUS - 1);

		set_online(cpu, false);
		nap(rand() % 200 * MSEC);
		set_online(cpu, true);
		changes += 2;
	}
	end = now();
	atomic_store(&stop, true);
	for (i = 0; i < ARRAY_SIZE(work); i++) {
		pthread_join(threads[i], &complaint);
		ck_assert_msg(!complaint, "%s", (char *)complaint);
	}
	note("%d times offline or online, %d listings, %d registrations", changes, listings,
	     registrations);
	assert_regular(start, end, 0);
}

/* As struct sched_attr, which the C library does not have everywhere */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static const struct scheduling realtime = {
	.size = sizeof(realtime), .policy = SCHED_FIFO, .priority = 99,
};

/* 95 ms of each 100 ms, before all others */
static const struct scheduling most = {
	.size = sizeof(most), .policy = SCHED_DEADLINE,
	.runtime = 95 * MSEC, .deadline = 100 * MSEC, .period = 100 * MSEC,
};

static const struct scheduling all = {
	.size = sizeof(all), .policy = SCHED_DEADLINE,
	.runtime = 100 * MSEC, .deadline = 100 * MSEC, .period = 100 * MSEC,
};

/*
 * A process takes the timer's CPU for itself, for @ns. Others register and list all the time, and
 * the other CPUs are busy.
 */
static void hog_the_timers_cpu(const struct scheduling *how, int64_t ns, int64_t allowed)
{
	pid_t pid = spawn(burn_forever, NULL), other = spawn_idle();
	pthread_t thread;
	int64_t start, end;
	int cpu;

	for (cpu = 0; cpu < CPUS; cpu++)
		if (cpu != 1)
			run_on(spawn(burn_forever, NULL), cpu, cpu);

	run_on(0, 1, 1);
	enroll(pid);
	run_on(pid, 1, 1);
	run_on(0, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, measure_naps, NULL), 0);
	trace_begin();
	start = now();
	OK(syscall(SYS_sched_setattr, pid, how, 0));
	do {
		enroll(other);
		ck_assert_int_ge(listed(other), 0);
		ck_assert_int_eq(write_pid(-other), 0);
		nap(100 * MSEC);
	} while (now() < start + ns);
	finish(pid);
	end = now();
	enroll(other);
	assert_regular(start, end, allowed);
}

/* By default such processes leave a CPU to others for 50 ms of each second. */
TEST(updates_go_on_while_a_real_time_process_hogs_the_timers_cpu,
	.parameters = "period_ms=50", .needs = TRACING, .skip = no_four_cpus)
{
	const int64_t ns = (finds_bugs() ? 20 : 3) * SEC;

	/* A real-time kernel runs timers in a thread, which is throttled with that process. */
	hog_the_timers_cpu(&realtime, ns, realtime_kernel() ? ns : 2 * SEC);
}

/*
 * Without throttling, the kernel may stop running the timers of this CPU. (With it, no deadline
 * process may be tied to one CPU.)
 */
static void hog_without_throttling(const struct scheduling *how, int64_t ns)
{
	spew("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	hog_the_timers_cpu(how, ns, ns);
	spew("/proc/sys/kernel/sched_rt_runtime_us", "950000");
}

TEST(updates_go_on_after_a_process_that_is_never_throttled,
	.parameters = "period_ms=50", .needs = TRACING, .skip = no_four_cpus)
{
	hog_without_throttling(&realtime, (finds_bugs() ? 20 : 3) * SEC);
}

TEST(updates_go_on_after_a_deadline_process_that_uses_most_of_it,
	.parameters = "period_ms=50", .needs = TRACING, .skip = no_four_cpus)
{
	hog_without_throttling(&most, 3 * SEC);
}

TEST(updates_go_on_after_a_deadline_process_that_uses_all_of_it,
	.parameters = "period_ms=50", .needs = TRACING, .skip = no_four_cpus)
{
	hog_without_throttling(&all, 3 * SEC);
}

/* QEMU wakes a machine from S3 ("deep"), but not from s2idle. */
static const char *no_suspend(void)
{
	if (!strstr(first_line("/sys/power/mem_sleep"), "[deep]") || access(WAKE_UP, W_OK))
		return "this kernel cannot be suspended and woken by its clock";
	if (realtime_kernel())
		return "in QEMU, real-time kernels sometimes stop for good, even without mp1";
	return no_four_cpus();
}

static int64_t time_with_suspend(void)
{
	struct timespec ts;

	OK(clock_gettime(CLOCK_BOOTTIME, &ts));
	return ts.tv_sec * SEC + ts.tv_nsec;
}

TEST(updates_go_on_after_suspend_without_a_burst,
	.parameters = "period_ms=50", .needs = TRACING, .skip = no_suspend)
{
	int64_t start = now(), suspended = now() - time_with_suspend();
	pthread_t thread;

	trace_begin();
	enroll(getpid());
	ck_assert_int_eq(pthread_create(&thread, NULL, measure_naps, NULL), 0);
	nap(SEC);
	spew(WAKE_UP, "+4");
	spew("/sys/power/state", "mem");	/* returns when awake */
	suspended += time_with_suspend() - now();
	note("suspended for %.1f s", (double)suspended / SEC);
	ck_assert_int_gt(suspended, SEC);
	nap(2 * SEC);
	assert_regular(start, now(), SEC);
}
