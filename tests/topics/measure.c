// SPDX-License-Identifier: GPL-2.0-only
/* measure.c - what mp1 measures: the user CPU time of the whole process */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

/*
 * Wait until a process has used @ns of CPU time, so that there is something to compare.
 * Use its CPU clock, not /proc/PID/stat: reading that makes the kernel record what it
 * shows, and a module that counts too little could get away with returning that record.
 * So tests read it only after the list.
 */
static void await_use(pid_t pid, int64_t ns)
{
	int64_t deadline = now() + 20 * SEC;
	struct timespec ts;
	clockid_t clock;

	ck_assert_int_eq(clock_getcpuclockid(pid, &clock), 0);
	do {
		ck_assert_msg(await_until(deadline), "process %d does not run", pid);
		OK(clock_gettime(clock, &ts));
	} while (ts.tv_sec * SEC + ts.tv_nsec < ns);
}

/* Stop a process and assert that the list agrees with the kernel to within two ticks. */
static void assert_agrees(pid_t pid)
{
	int64_t value, kernels;

	OK(kill(pid, SIGSTOP));
	ck_assert_int_eq(waitpid(pid, NULL, WUNTRACED), pid);
	await_update();
	value = listed(pid);
	kernels = stat_utime(pid);
	ck_assert_msg(llabs(value - kernels) <= 2 * TICK, "listed %.3f s, /proc/PID/stat %.3f s",
		      (double)value / SEC, (double)kernels / SEC);
	OK(kill(pid, SIGCONT));
}

TEST(one_thread_agrees_with_proc_stat, .parameters = SOON)
{
	pid_t pid = spawn(burn_forever, NULL);

	enroll(pid);
	await_use(pid, SEC);
	assert_agrees(pid);
}

/* Ticks are whole milliseconds on all kernels; a precise value is so once in a million times. */
TEST(a_value_is_finer_than_a_tick, .parameters = SOON)
{
	pid_t pid = spawn(burn_forever, NULL);
	int64_t value;

	enroll(pid);
	await_use(pid, 100 * MSEC);
	await_update();
	value = listed(pid);
	ck_assert_int_gt(value, 0);
	ck_assert_msg(value % MSEC, "%lld ns", (long long)value);
}

static void burn_on_three_threads(void *unused)
{
	start_threads(3, burn_forever);
	idle(unused);
}

TEST(all_threads_count_while_the_main_thread_sleeps, .parameters = SOON)
{
	pid_t pid = spawn(burn_on_three_threads, NULL);

	enroll(pid);
	await_use(pid, SEC);
	assert_agrees(pid);
}

static void *burn_a_while(void *unused)
{
	burn(100 * MSEC);
	return unused;
}

static void burn_on_threads_that_end(void *unused)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 5; i++) {
		pthread_create(&thread, NULL, burn_a_while, NULL);
		pthread_join(thread, NULL);
	}
	idle(unused);
}

TEST(threads_that_have_ended_count, .parameters = SOON)
{
	pid_t pid = spawn(burn_on_threads_that_end, NULL);

	enroll(pid);
	await_use(pid, 480 * MSEC);
	assert_agrees(pid);
}

static void burn_without_main_thread(void *unused)
{
	start_threads(1, burn_forever);
	pthread_exit(unused);
}

TEST(a_process_whose_main_thread_has_ended_counts_on, .parameters = SOON)
{
	pid_t pid = spawn(burn_without_main_thread, NULL);
	int64_t first, deadline = now() + 60 * patience() * SEC;

	await_use(pid, 300 * MSEC);
	enroll(pid);
	first = listed(pid);
	ck_assert_int_gt(first, MOST(250 * MSEC));
	while (listed(pid) < first + 300 * MSEC)
		ck_assert_msg(await_until(deadline), "it counts no more");
}

static void *exec_busybox(void *unused)
{
	burn(300 * MSEC);
	execl("/bin/busybox", "sh", "-c", "while :; do :; done", NULL);
	return unused;
}

static void exec_from_a_thread(void *unused)
{
	pthread_t thread;

	burn(300 * MSEC);
	pthread_create(&thread, NULL, exec_busybox, NULL);
	idle(unused);
}

TEST(execve_from_a_thread_goes_on_counting_the_same_process, .parameters = SOON)
{
	pid_t pid = spawn(exec_from_a_thread, NULL);

	enroll(pid);
	await_use(pid, 1200 * MSEC);
	ck_assert_int_eq(lines(), 1);
	assert_agrees(pid);
	finish(pid);
	await_update();
	ck_assert_int_eq(lines(), 0);
}

static void burn_in_the_kernel(void *unused)
{
	static char buffer[1 << 20];

	(void)unused;
	burn(200 * MSEC);
	for (;;)
		getrandom(buffer, sizeof(buffer), 0);
}

TEST(time_in_the_kernel_does_not_count, .parameters = SOON)
{
	pid_t pid = spawn(burn_in_the_kernel, NULL);
	struct rusage usage;

	enroll(pid);
	await_use(pid, 2 * SEC);
	assert_agrees(pid);
	ck_assert_int_lt(listed(pid), SEC);
	kill(pid, SIGKILL);
	ck_assert_int_eq(wait4(pid, NULL, 0, &usage), pid);
	ck_assert_int_gt(usage.ru_stime.tv_sec, 0);
}

static void burn_and_exit(void *unused)
{
	(void)unused;
	burn(400 * MSEC);
}

/* Exits once its child has burned and been reaped. */
static void reap_a_burning_child(void *unused)
{
	(void)unused;
	wait_status(spawn(burn_and_exit, NULL));
}

static int64_t system_time(const struct rusage *usage)
{
	return usage->ru_stime.tv_sec * SEC + usage->ru_stime.tv_usec * 1000;
}

static void burn_on_the_last_cpu(void *shared)
{
	static char buffer[1 << 12];
	int64_t *in_kernel = shared;
	struct timespec start, ts;
	struct rusage usage;
	int last = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;

	run_on(0, last, last);
	OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start));
	do {				/* 0.1 s in the kernel */
		getrandom(buffer, sizeof(buffer), 0);
		OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
	} while ((ts.tv_sec - start.tv_sec) * SEC + ts.tv_nsec - start.tv_nsec < 100 * MSEC);
	OK(getrusage(RUSAGE_SELF, &usage));
	*in_kernel = system_time(&usage);
	burn_forever(NULL);
}

static const char *no_tickless_cpu(void)
{
	const char *cpus = first_line("/sys/devices/system/cpu/nohz_full");

	return *cpus >= '0' && *cpus <= '9' ? NULL : "each CPU of this machine has its tick";
}

/*
 * With nohz_full=1 no tick disturbs that CPU: the kernel then knows the thread's runtime,
 * but its times by mode are stale. Code that splits the one by the other charges user time
 * as system time, and for good.
 */
TEST(a_cpu_without_ticks_does_not_turn_user_time_into_system_time,
	.parameters = "period_ms=10", .skip = no_tickless_cpu)
{
	int64_t *in_kernel = mmap(NULL, sizeof(*in_kernel), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = spawn(burn_on_the_last_cpu, in_kernel);
	struct timespec used = { 0 };
	struct rusage usage;
	int64_t value, system;
	clockid_t clock;

	enroll(pid);
	ck_assert_int_eq(clock_getcpuclockid(pid, &clock), 0);
	while (used.tv_sec < 2) {	/* on a busy host, the guest's CPUs are often not running */
		nap(50 * MSEC);
		OK(clock_gettime(clock, &used));
	}
	OK(kill(pid, SIGKILL));
	OK(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	value = listed(pid);
	ck_assert_int_eq(wait4(pid, NULL, 0, &usage), pid);
	system = system_time(&usage) - *in_kernel;
	ck_assert_msg(system < 500 * MSEC,
		      "%.3f s in the kernel while in user mode", (double)system / SEC);
	ck_assert_msg(value > SEC, "%.3f s in user mode", (double)value / SEC);
}

static void burn_past_32_bits(void *unused)
{
	(void)unused;
	burn((1LL << 32) + 300 * MSEC);
}

/*
 * On 32 bits, code that reads the two halves of the runtime at different moments can get 2^32 ns
 * too much when the lower one wraps. The kernel would remember that as its own.
 */
TEST(a_runtime_that_passes_32_bits_is_right, .parameters = "period_ms=10")
{
	pid_t pid = spawn(burn_past_32_bits, NULL);
	struct rusage usage;
	int64_t value, total;

	enroll(pid);
	OK(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	value = listed(pid);
	ck_assert_int_eq(wait4(pid, NULL, 0, &usage), pid);
	total = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SEC +
		(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
	ck_assert_msg(total < 6 * SEC, "wait4() says %.3f s", (double)total / SEC);
	ck_assert_msg(value < 6 * SEC, "listed %.3f s", (double)value / SEC);
}

TEST(children_do_not_count, .parameters = SOON)
{
	pid_t pid = spawn(reap_a_burning_child, NULL);
	siginfo_t info;

	enroll(pid);
	OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	ck_assert_int_lt(listed(pid), 100 * MSEC);
}

TEST(a_line_shows_the_value_at_registration_until_the_next_update)
{
	int64_t first, before, after;

	burn(300 * MSEC);
	before = stat_utime(getpid());
	enroll(getpid());
	first = listed(getpid());
	after = stat_utime(getpid());
	/* The host may stop this CPU in between, and the guest takes that for our time. */
	ck_assert_msg(first >= before - 2 * TICK && first <= after + 2 * TICK,
		      "listed %.3f s, stat %.3f s before, %.3f s after", (double)first / SEC,
		      (double)before / SEC, (double)after / SEC);
	burn(300 * MSEC);
	ck_assert_int_eq(listed(getpid()), first);
	enroll(getpid());		/* changes nothing */
	ck_assert_int_eq(listed(getpid()), first);
}

static void burn_when_told(void *fds)
{
	int *told = fds;	/* a pipe; its end of file is the word */
	struct rusage usage;

	close(told[1]);
	OK(read(told[0], &(char){ 0 }, 1));
	/* As the kernel accounts it: ticks may charge all of a short time to system time. */
	do {
		burn(10 * MSEC);
		OK(getrusage(RUSAGE_SELF, &usage));
	} while (!usage.ru_utime.tv_sec && usage.ru_utime.tv_usec < 20000);
	idle(NULL);
}

/* More than one batch; their PIDs are adjacent. */
TEST(an_update_visits_each_of_many_processes, .parameters = SOON)
{
	enum { MANY = 100 };
	pid_t pids[MANY];
	int told[2], i;

	OK(pipe(told));
	for (i = 0; i < MANY; i++) {
		pids[i] = spawn(burn_when_told, told);
		enroll(pids[i]);
	}
	close(told[1]);
	for (i = 0; i < MANY; i++)
		while (stat_utime(pids[i]) < TICK)
			nap(5 * MSEC);
	await_update();
	for (i = 0; i < MANY; i++)
		ck_assert_int_ge(listed(pids[i]), TICK);
}

TEST(an_update_shows_the_value_of_its_moment, .parameters = SOON)
{
	int64_t first, real;

	enroll(getpid());
	first = listed(getpid());
	burn(300 * MSEC);
	real = stat_utime(getpid());
	ck_assert_int_gt(real, first + 100 * MSEC);
	await_update();
	ck_assert_int_ge(listed(getpid()), real);
}

/* Threads that keep starting, alternate between user and kernel mode, and exit */
static void *restless_thread(void *unused)
{
	static char buffer[1 << 16];
	int i;

	for (i = 0; i < 20; i++) {
		burn(MSEC / 2);
		getrandom(buffer, sizeof(buffer), 0);
	}
	return unused;
}

static void restless(void *unused)
{
	for (;;) {
		pthread_t threads[4];
		int i;

		for (i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, restless_thread, unused);
		for (i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	}
}

/* @peek: read /proc/PID/stat as well, as top would */
static void watch(bool peek)
{
	pid_t pids[2] = { spawn(restless, NULL), spawn(burn_on_three_threads, NULL) };
	int64_t last[2] = { 0, 0 }, end = now() + 2 * SEC;
	int i, rises = 0;

	enroll(pids[0]);
	enroll(pids[1]);
	do {
		for (i = 0; i < 2; i++) {
			int64_t value = listed(pids[i]);

			ck_assert_msg(value >= last[i], "from %ld to %ld ns", (long)last[i],
				      (long)value);
			if (peek)
				ck_assert_int_le(value, stat_utime(pids[i]) + 2 * TICK);
			rises += value > last[i];
			last[i] = value;
		}
	} while (await_until(end) || rises <= 20);	/* or the test's time is up */
	assert_agrees(pids[0]);
	assert_agrees(pids[1]);
}

TEST(a_value_never_decreases, .parameters = "period_ms=10")
{
	watch(false);
}

TEST(a_value_never_decreases_and_agrees_while_others_read_the_kernels, .parameters = "period_ms=10")
{
	watch(true);
}
