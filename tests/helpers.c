// SPDX-License-Identifier: GPL-2.0-only
/* helpers.c - what the tests share */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

/* The module */

int load_module(const char *parameters)
{
	int fd = OK(open(MODULE, O_RDONLY | O_CLOEXEC)), err = 0;

	if (syscall(SYS_finit_module, fd, parameters, 0))
		err = errno;
	close(fd);
	return err;
}

/* That of somebody else may have another name; the kernel hands the name on to programs. */
const char *module_name(void)
{
	const char *name = getenv("MP1_MODULE");

	return name ? name : "mp1";
}

void must_load(const char *parameters)
{
	int err = load_module(parameters);

	ck_assert_msg(!err, "the module does not load: %s", strerror(err));
}

int unload_module(void)
{
	return syscall(SYS_delete_module, module_name(), O_NONBLOCK) ? errno : 0;
}

void load_and_unload(void)
{
	ck_assert_int_eq(load_module(NEVER), 0);
	ck_assert_int_eq(unload_module(), 0);
}

void note(const char *format, ...)
{
	char text[500];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell("note", text);
}

const char *one_cpu(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) < 2 ? "this machine has one CPU" : NULL;
}

bool mount_cgroups(void)
{
	if (!access(CGROUPS "/cgroup.procs", F_OK))
		return true;
	OK(mkdir(CGROUPS, 0755));
	if (!mount("cgroup", CGROUPS, "cgroup2", 0, NULL))
		return true;
	OK(rmdir(CGROUPS));
	return false;
}

void make_memory_cgroup(const char *path)
{
	if (!access(path, F_OK))
		return;
	ck_assert(mount_cgroups());
	spew(CGROUPS "/cgroup.subtree_control", "+memory");
	OK(mkdir(path, 0755));
}

const char *first_line(const char *path)
{
	static char line[4096];
	FILE *file = fopen(path, "r");

	if (!file || !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	return line;
}

bool finds_bugs(void)
{
	return strstr(first_line("/proc/cmdline"), " mp1-thorough");
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

int send_pid(int fd, pid_t pid)
{
	char text[16];

	return write_bytes(fd, text, (size_t)snprintf(text, sizeof(text), "%d", pid));
}

int write_pid(pid_t pid)
{
	int fd = status_open(), err = send_pid(fd, pid);

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
 * An update removes the line of a reaped process, so watch one disappear. That shows only
 * that the update has begun; once a second one has begun as well, the first is complete.
 */
void await_update(void)
{
	int64_t deadline = now() + 30 * patience() * SEC;
	int i;

	for (i = 0; i < 2; i++) {
		pid_t canary = spawn_idle();

		enroll(canary);
		finish(canary);
		while (listed(canary) != -1)
			ck_assert_msg(await_until(deadline), "no two updates came");
	}
}

/* Time */

int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);	/* cannot fail; called outside of tests, too */
	return ts.tv_sec * SEC + ts.tv_nsec;
}

int patience(void)
{
	const char *times = getenv("MP1_PATIENCE");

	return times ? atoi(times) : 1;
}

/* From update to update: what the kernel hands on from its command line, or 5 s */
int64_t period(void)
{
	const char *seconds = getenv("MP1_PERIOD");

	return (seconds ? atoi(seconds) : 5) * SEC;
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

static int64_t stat_time(pid_t pid, bool system)
{
	char path[32], *text, *fields;
	unsigned long ticks[2];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	text = slurp(path);
	fields = strrchr(text, ')');	/* a command name may contain anything */
	ck_assert_int_eq(sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&ticks[0], &ticks[1]), 2);
	free(text);
	return (int64_t)ticks[system] * TICK;
}

int64_t stat_utime(pid_t pid)
{
	return stat_time(pid, false);
}

int64_t stat_stime(pid_t pid)
{
	return stat_time(pid, true);
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
	/* "<6>[    2.345678] mp1: …", or without the time */
	for (at = mark; (at = strstr(at, "mp1: ")); at++)
		n += !strncmp(at - 2, "] ", 2) || at[-1] == '>';
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

static void *thread(void *run)
{
	((void (*)(void *))run)(NULL);
	return NULL;
}

void start_threads(int n, void (*run)(void *))
{
	pthread_attr_t small;
	pthread_t id;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 1 << 16);
	while (n--)
		ck_assert_int_eq(pthread_create(&id, &small, thread, (void *)run), 0);
}

/* In a new child: die with the parent, call run(), and exit without Check's cleanup. */
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

/*
 * Processes that share our memory must not outlive us. Otherwise each one that dies
 * searches all processes for a new owner of that memory.
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

/* They share our memory; each has only two pages of stack of its own. */
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

void run_on(pid_t pid, int first, int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (; first <= last; first++)
		CPU_SET(first, &set);
	OK(sched_setaffinity(pid, sizeof(set), &set));
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

/* The number of objects in @cache */
long objects(const char *cache)
{
	char *slabs, name[64], *line;
	long n = 0;

	/* Freed objects may linger: under KASAN they do, for a long time. */
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

/* What the kernel keeps of processes, including ended ones that still have references */
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
