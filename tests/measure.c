// SPDX-License-Identifier: GPL-2.0-only
/* measure.c - what is measured: the user CPU time of the whole process */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

/*
 * Wait until a process has used @ns of CPU time, so that there is something to
 * compare. By its CPU clock: whoever reads /proc/PID/stat makes the kernel take
 * down what it shows there, and a module that counts too little could hide
 * behind that record. So nobody reads it before the list has been read.
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

/* Stop a process, and assert that the list agrees with the kernel to within two ticks. */
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

START_TEST(one_thread_agrees_with_proc_stat)
{
	pid_t pid = spawn(burn_forever, NULL);

	enroll(pid);
	await_use(pid, SEC);
	assert_agrees(pid);
}
END_TEST

/* Ticks are whole milliseconds on all kernels; a precise value is once in a million times. */
START_TEST(a_value_is_finer_than_a_tick)
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
END_TEST

static void *burn_thread(void *unused)
{
	burn_forever(unused);
	return NULL;
}

static void burn_on_three_threads(void *unused)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 3; i++)
		pthread_create(&thread, NULL, burn_thread, NULL);
	idle(unused);
}

START_TEST(all_threads_count_while_the_main_thread_sleeps)
{
	pid_t pid = spawn(burn_on_three_threads, NULL);

	enroll(pid);
	await_use(pid, SEC);
	assert_agrees(pid);
}
END_TEST

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

START_TEST(threads_that_have_ended_count)
{
	pid_t pid = spawn(burn_on_threads_that_end, NULL);

	enroll(pid);
	await_use(pid, 480 * MSEC);
	assert_agrees(pid);
}
END_TEST

static void burn_without_main_thread(void *unused)
{
	pthread_t thread;

	pthread_create(&thread, NULL, burn_thread, unused);
	pthread_exit(NULL);
}

START_TEST(a_process_whose_main_thread_has_ended_counts_on)
{
	pid_t pid = spawn(burn_without_main_thread, NULL);

	await_use(pid, 300 * MSEC);
	enroll(pid);
	ck_assert_int_gt(listed(pid), MOST(250 * MSEC));
	await_use(pid, 600 * MSEC);
	await_update();
	ck_assert_int_gt(listed(pid), MOST(625 * MSEC));
}
END_TEST

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

START_TEST(execve_from_a_thread_goes_on_counting_the_same_process)
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
END_TEST

static void burn_in_the_kernel(void *unused)
{
	static char buffer[1 << 20];

	(void)unused;
	burn(200 * MSEC);
	for (;;)
		getrandom(buffer, sizeof(buffer), 0);
}

START_TEST(time_in_the_kernel_does_not_count)
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
END_TEST

static void burn_and_exit(void *unused)
{
	(void)unused;
	burn(400 * MSEC);
}

/* Tells by its own exit that its child has burned and was reaped. */
static void reap_a_burning_child(void *unused)
{
	(void)unused;
	wait_status(spawn(burn_and_exit, NULL));
}

static void burn_on_the_last_cpu(void *unused)
{
	static char buffer[1 << 16];
	struct timespec start, ts;
	cpu_set_t last;

	(void)unused;
	CPU_ZERO(&last);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
	OK(sched_setaffinity(0, sizeof(last), &last));
	OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start));
	do {				/* 0.1 s in the kernel */
		getrandom(buffer, sizeof(buffer), 0);
		OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
	} while ((ts.tv_sec - start.tv_sec) * SEC + ts.tv_nsec - start.tv_nsec < 100 * MSEC);
	burn_forever(NULL);
}

/*
 * With nohz_full=1 no tick disturbs that CPU: the kernel then has no up-to-date
 * count of the thread's modes, only of its runtime. Who splits the one by the
 * other blames the kernel for what ran in user mode, and for ever.
 */
START_TEST(a_cpu_without_ticks_does_not_turn_user_time_into_system_time)
{
	pid_t pid = spawn(burn_on_the_last_cpu, NULL);
	struct rusage usage;
	int64_t value, system;

	enroll(pid);
	nap(2 * SEC);
	OK(kill(pid, SIGKILL));
	OK(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	value = listed(pid);
	ck_assert_int_eq(wait4(pid, NULL, 0, &usage), pid);
	system = usage.ru_stime.tv_sec * SEC + usage.ru_stime.tv_usec * 1000;
	ck_assert_msg(system < (finds_bugs() ? 1000 : 600) * MSEC,
		      "%.3f s in the kernel", (double)system / SEC);
	ck_assert_msg(value > SEC, "%.3f s in user mode", (double)value / SEC);
}
END_TEST

START_TEST(children_do_not_count)
{
	pid_t pid = spawn(reap_a_burning_child, NULL);
	siginfo_t info;

	enroll(pid);
	OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	ck_assert_int_lt(listed(pid), 100 * MSEC);
}
END_TEST

START_TEST(a_line_shows_the_value_at_registration_until_the_next_update)
{
	int64_t first, real;

	burn(300 * MSEC);
	enroll(getpid());
	first = listed(getpid());
	real = stat_utime(getpid());
	ck_assert_msg(llabs(first - real) <= 3 * TICK, "listed %.3f s, stat %.3f s",
		      (double)first / SEC, (double)real / SEC);
	burn(300 * MSEC);
	ck_assert_int_eq(listed(getpid()), first);
	enroll(getpid());		/* changes nothing */
	ck_assert_int_eq(listed(getpid()), first);
}
END_TEST

START_TEST(an_update_shows_the_value_of_its_moment)
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
END_TEST

/* Threads that come, run in user and kernel mode by turns, and go, all the time */
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
	} while (await_until(end));
	ck_assert_int_gt(rises, finds_bugs() ? 3 : 20);
	assert_agrees(pids[0]);
	assert_agrees(pids[1]);
}

START_TEST(a_value_never_decreases)
{
	watch(false);
}
END_TEST

START_TEST(a_value_never_decreases_and_agrees_while_others_read_the_kernels)
{
	watch(true);
}
END_TEST

void test_measure(void)
{
	RUN(one_thread_agrees_with_proc_stat, 30, SOON);
	RUN(a_value_is_finer_than_a_tick, 30, SOON);
	RUN(all_threads_count_while_the_main_thread_sleeps, 30, SOON);
	RUN(threads_that_have_ended_count, 30, SOON);
	RUN(a_process_whose_main_thread_has_ended_counts_on, 30, SOON);
	RUN(execve_from_a_thread_goes_on_counting_the_same_process, 30, SOON);
	RUN(time_in_the_kernel_does_not_count, 30, SOON);
	RUN(a_cpu_without_ticks_does_not_turn_user_time_into_system_time, 30, "period_ms=10");
	RUN(children_do_not_count, 30, SOON);
	RUN(a_line_shows_the_value_at_registration_until_the_next_update, 30, NEVER);
	RUN(an_update_shows_the_value_of_its_moment, 30, SOON);
	RUN(a_value_never_decreases, 30, "period_ms=10");
	RUN(a_value_never_decreases_and_agrees_while_others_read_the_kernels, 30, "period_ms=10");
}
