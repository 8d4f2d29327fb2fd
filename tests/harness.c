// SPDX-License-Identifier: GPL-2.0-only
/* harness.c - runs the tests and reports; what they share */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static const char *module_parameters;	/* of the test that runs */
static char **wanted;			/* names of tests, NULL-terminated; none: all */
static const char *topic;
static int passed, failed;

/* The module */

int load_module(const char *parameters)
{
	int fd = OK(open(MODULE, O_RDONLY | O_CLOEXEC)), err = 0;

	if (syscall(SYS_finit_module, fd, parameters, 0))
		err = errno;
	close(fd);
	return err;
}

int unload_module(void)
{
	return syscall(SYS_delete_module, "mp1", O_NONBLOCK) ? errno : 0;
}

static void set_up(void)
{
	if (!access(STATUS, F_OK))	/* left by a test that failed */
		ck_assert_int_eq(unload_module(), 0);
	if (module_parameters)
		ck_assert_int_eq(load_module(module_parameters), 0);
}

/*
 * Processes that share our memory must not outlive us: each one that dies then
 * searches all others for a new owner of that memory.
 */
static pid_t *many;
static int many_count;

void finish_many(void)
{
	int i;

	for (i = 0; i < many_count; i++)
		if (many[i] && !waitpid(many[i], NULL, WNOHANG))
			finish(many[i]);
}

static void tear_down(void)
{
	finish_many();
	if (module_parameters)
		ck_assert_int_eq(unload_module(), 0);
	ck_assert_msg(access("/proc/mp1", F_OK) && errno == ENOENT, "/proc/mp1 is still there");
}

/* Running tests */

static bool is_wanted(const char *name)
{
	char **want;

	for (want = wanted; *want; want++)
		if (!strcmp(*want, name) || !strcmp(*want, topic))
			return true;
	return want == wanted;
}

/* Note what each thread of a process is doing: a system call, and where in the kernel. */
static void tell_where(pid_t pid)
{
	static const char *const files[] = { "syscall", "stack" };
	char path[64], line[256];
	struct dirent *thread;
	DIR *threads;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	threads = opendir(path);
	while (threads && (thread = readdir(threads))) {
		if (thread->d_name[0] == '.')
			continue;
		for (i = 0; i < ARRAY_SIZE(files); i++) {
			FILE *file;

			snprintf(path, sizeof(path), "/proc/%d/task/%.9s/%s", pid,
				 thread->d_name, files[i]);
			file = fopen(path, "re");
			while (file && fgets(line, sizeof(line), file))
				note("thread %s: %.*s", thread->d_name, (int)strcspn(line, "\n"),
				     line);
			if (file)
				fclose(file);
		}
	}
	if (threads)
		closedir(threads);
}

/*
 * A process beside a test, which tells where the test is a second before its time is
 * over. The test is the next process that leads a group of its own.
 */
static pid_t watch(int seconds)
{
	pid_t watcher = fork(), pid;

	if (watcher)
		return watcher;
	sleep((unsigned int)seconds - 1);
	for (pid = getpid() + 1; pid < getpid() + 100; pid++) {
		if (getpgid(pid) == pid) {
			tell_where(pid);
			break;
		}
	}
	_exit(0);
}

void run_test(const TTest *test, const char *name, int seconds, const char *parameters)
{
	Suite *suite;
	TCase *tcase;
	SRunner *runner;
	int64_t start;
	double took;
	pid_t watcher;

	if (!is_wanted(name))
		return;
	if (finds_bugs())
		seconds *= 4;
	module_parameters = parameters;
	suite = suite_create(topic);
	tcase = tcase_create(name);
	tcase_set_timeout(tcase, seconds);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	start = now();
	watcher = watch(seconds);
	srunner_run_all(runner, CK_SILENT);
	if (watcher > 0) {
		kill(watcher, SIGKILL);
		waitpid(watcher, NULL, 0);
	}
	took = (double)(now() - start) / SEC;

	if (!srunner_ntests_failed(runner)) {
		passed++;
		printf("ok    %-62s %6.2f s\n", name, took);
	} else {
		TestResult **failures = srunner_failures(runner);

		failed++;
		printf("FAIL  %-62s %6.2f s\n      %s:%d: %s\n", name, took, tr_lfile(failures[0]),
		       tr_lno(failures[0]), tr_msg(failures[0]));
		free(failures);
	}
	fflush(stdout);
	srunner_free(runner);
}

void skip_test(const char *name, const char *why)
{
	if (is_wanted(name))
		printf("skip  %-62s %s\n", name, why);
}

void note(const char *format, ...)
{
	va_list args;

	fputs("      ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

bool finds_bugs(void)
{
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "r");

	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	return strstr(line, " mp1-thorough");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
		bool on_demand;	/* takes long, or needs another machine */
	} topics[] = {
		{ "hostile", test_hostile, false },	/* first: all others must hold after it */
		{ "write", test_write, false },
		{ "rights", test_rights, false },
		{ "list", test_list, false },
		{ "measure", test_measure, false },
		{ "lifetime", test_lifetime, false },
		{ "namespace", test_namespace, false },
		{ "period", test_period, false },
		{ "module", test_module, false },
		{ "stress", test_stress, false },
		{ "userapp", test_userapp, false },
		{ "faults", test_faults, false },
		{ "load", test_load, false },
		{ "limits", test_limits, true },
		{ "default_period", test_default_period, true },
		{ "hour", test_hour, true },
	};
	FILE *report;
	size_t i;

	(void)argc;
	setpriority(PRIO_PROCESS, 0, -5);	/* ahead of the load that tests make */
	wanted = argv + 1;
	for (i = 0; i < ARRAY_SIZE(topics); i++) {
		topic = topics[i].name;
		if (*wanted || !topics[i].on_demand)
			topics[i].run();
	}
	report = fopen("/dev/report", "w");
	if (!report || fprintf(report, "tests %d passed %d failed\n", passed, failed) < 0 ||
	    fclose(report)) {
		perror("/dev/report");
		return EXIT_FAILURE;
	}
	return passed && !failed ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The file */

int status_open(void)
{
	return OK(open(STATUS, O_RDWR | O_CLOEXEC));
}

int write_bytes(int fd, const void *bytes, size_t count)
{
	ssize_t n = write(fd, bytes, count);

	if (n < 0)
		return errno;
	/* Not an assertion, as in OK() */
	if ((size_t)n != count)
		ck_abort_msg("%zd of %zu bytes written", n, count);
	return 0;
}

int write_text(const char *text)
{
	int fd = status_open(), err = write_bytes(fd, text, strlen(text));

	close(fd);
	return err;
}

int put_pid(int fd, pid_t pid)
{
	char text[16];

	return write_bytes(fd, text, (size_t)snprintf(text, sizeof(text), "%d", pid));
}

int write_pid(pid_t pid)
{
	int fd = status_open(), err = put_pid(fd, pid);

	close(fd);
	return err;
}

void enroll(pid_t pid)
{
	ck_assert_int_eq(write_pid(pid), 0);
}

char *read_all(int fd, size_t chunk)
{
	size_t size = 0, room = 0;
	char *text = NULL;
	ssize_t n;

	do {
		if (room - size <= chunk) {
			room = 2 * room + chunk + 4096;
			text = realloc(text, room);
			if (!text)
				ck_abort_msg("no memory");
		}
		n = OK(read(fd, text + size, chunk));
		size += (size_t)n;
	} while (n);
	text[size] = '\0';
	return text;
}

char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;

	ck_assert_msg(fd >= 0, "%s: %m", path);
	text = read_all(fd, 65536);
	close(fd);
	return text;
}

void spew(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %m", path);
	ck_assert_msg(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s < %s: %m", path,
		      text);
	close(fd);
}

char *read_list(void)
{
	return slurp(STATUS);
}

int64_t listed(pid_t pid)
{
	char *text = read_list(), *line, *rest;
	int64_t utime = -1;

	for (rest = text; (line = strsep(&rest, "\n")) && *line;) {
		char *end;

		if (strtol(line, &end, 10) != pid)
			continue;
		ck_assert_msg(utime == -1, "process %d has two lines", pid);
		ck_assert(!strncmp(end, ": ", 2));
		utime = strtoll(end + 2, &end, 10);
		ck_assert(!*end);
	}
	free(text);
	return utime;
}

int lines(void)
{
	char *text = read_list(), *c;
	int n = 0;

	for (c = text; *c; c++)
		n += *c == '\n';
	free(text);
	return n;
}

/*
 * The line of a reaped process goes with an update: watch one go. That update has
 * only begun then; when a second one has begun, too, the first is over.
 */
void await_update(void)
{
	int64_t deadline = now() + (finds_bugs() ? 120 : 30) * SEC;
	int i;

	for (i = 0; i < 2; i++) {
		pid_t canary = spawn_idle();

		enroll(canary);
		finish(canary);
		while (listed(canary) != -1)
			ck_assert_msg(await_until(deadline), "no two updates");
	}
}

/* Time */

int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);	/* cannot fail; called outside of tests, too */
	return ts.tv_sec * SEC + ts.tv_nsec;
}

void nap(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / SEC, .tv_nsec = (long)(ns % SEC) };

	while (nanosleep(&ts, &ts))
		ck_assert_int_eq(errno, EINTR);
}

bool await_until(int64_t deadline)
{
	nap(2 * MSEC);
	return now() < deadline;
}

int64_t stat_utime(pid_t pid)
{
	char path[32], *text, *fields;
	unsigned long ticks;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	text = slurp(path);
	fields = strrchr(text, ')');	/* a command's name may hold anything */
	ck_assert_int_eq(sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu",
				&ticks), 1);
	free(text);
	return (int64_t)ticks * TICK;
}

void burn(int64_t ns)
{
	struct timespec ts;
	int64_t end = 0, t;
	volatile int i;

	do {
		OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
		t = ts.tv_sec * SEC + ts.tv_nsec;
		if (!end)
			end = t + ns;
		for (i = 0; i < 300000; i++)
			;
	} while (t < end);
}

/* The log */

#define MARK "mp1-tests: mark"

void log_mark(void)
{
	spew("/dev/kmsg", "<7>" MARK "\n");
}

int log_lines(char **text)
{
	static char log[1 << 22];
	char *at, *mark = log;
	int n = 0;

	log[OK(klogctl(3 /* read all */, log, sizeof(log) - 1))] = '\0';
	while ((at = strstr(mark, MARK)))
		mark = at + 1;
	for (at = mark; (at = strstr(at, "] mp1: ")); at++)
		n++;
	*text = mark;
	return n;
}

/* Processes */

void idle(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

void burn_forever(void *unused)
{
	volatile int i = 0;

	(void)unused;
	for (;;)
		i++;
}

/* In a new child: end with the parent, run, and leave without Check's own end. */
__attribute__((noreturn))
static void be_child(pid_t parent, void (*run)(void *argument), void *argument)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent && getpid() != 1)
		_exit(EXIT_FAILURE);
	signal(SIGTERM, SIG_DFL);
	run(argument);
	_exit(EXIT_SUCCESS);
}

pid_t spawn(void (*run)(void *argument), void *argument)
{
	pid_t parent = getpid(), pid = OK(fork());

	if (!pid)
		be_child(parent, run, argument);
	return pid;
}

pid_t spawn_idle(void)
{
	return spawn(idle, NULL);
}

static int idle_small(void *parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != (pid_t)(intptr_t)parent)
		_exit(EXIT_FAILURE);
	idle(NULL);
	return 0;
}

/* They share our memory; of their own they have two pages of stack each. */
void spawn_many(pid_t *pids, int n)
{
	const size_t stack = 8192;
	const struct rlimit limit = { 200000, 200000 };
	char *stacks = mmap(NULL, (size_t)n * stack, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int i;

	ck_assert_ptr_ne(stacks, MAP_FAILED);
	if (n > 20000) {
		spew("/proc/sys/kernel/pid_max", "200000");
		spew("/proc/sys/kernel/threads-max", "200000");
	}
	OK(setrlimit(RLIMIT_NPROC, &limit));
	many = pids;
	many_count = n;
	for (i = 0; i < n; i++)
		pids[i] = OK(clone(idle_small, stacks + (size_t)(i + 1) * stack, CLONE_VM | SIGCHLD,
				   (void *)(intptr_t)getpid()));
}

/* A child whose PID is @pid, which must be free */
pid_t spawn_as(pid_t pid, void (*run)(void *argument), void *argument)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1,
	};
	pid_t parent = getpid();

	if (!OK(syscall(SYS_clone3, &args, sizeof(args))))
		be_child(parent, run, argument);
	return pid;
}

/* How many objects of @cache there are */
long objects(const char *cache)
{
	char *slabs, name[64], *line;
	long n = 0;

	/* What is freed may wait somewhere: with KASAN it does, for a long time. */
	snprintf(name, sizeof(name), "/sys/kernel/slab/%s/shrink", cache);
	if (!access(name, W_OK))
		spew(name, "1");
	slabs = slurp("/proc/slabinfo");
	snprintf(name, sizeof(name), "\n%s ", cache);
	line = strstr(slabs, name);
	if (line)
		ck_assert_int_eq(sscanf(line, " %*s %ld", &n), 1);
	free(slabs);
	return n;
}

/* What the kernel keeps of processes, gone ones that somebody still refers to included */
long process_objects(void)
{
	return objects("task_struct") + objects("pid");
}

void await_few(long (*count)(void), long most)
{
	int64_t deadline = now() + 10 * SEC;
	long n;

	while ((n = count()) > most)
		ck_assert_msg(await_until(deadline), "%ld objects left, more than %ld", n, most);
}

void finish(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

void become(uid_t user)
{
	OK(setresgid(user, user, user));
	OK(setresuid(user, user, user));
}

int wait_status(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "child %d: status %#x", pid, status);
	return WEXITSTATUS(status);
}
