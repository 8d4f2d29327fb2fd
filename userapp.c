// SPDX-License-Identifier: GPL-2.0-only
/*
 * userapp - register with mp1 and compute factorials, or run a command and show the user
 * CPU time that mp1 measures for it
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userapp.h"

static atomic_bool stop;	/* tells the computing threads to stop */

/* Print what went wrong and what to do about it, then exit. */
__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *format, ...)
{
	va_list args;

	fputs("userapp: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* For calls that set errno, where strerror() explains enough */
static void check(bool ok, const char *what)
{
	if (!ok)
		die("%s: %s", what, strerror(errno));
}

static void print_help(FILE *to)
{
	fprintf(to,
		"usage: userapp [-s SECONDS] [-t THREADS]\n"
		"       userapp -- COMMAND [ARGUMENT...]\n"
		"Register with the mp1 kernel module, compute factorials, print the list.\n"
		"Or run COMMAND and show the user CPU time that mp1 measures for it.\n"
		"  -s SECONDS  how long to compute (default %ld, at most %ld)\n"
		"  -t THREADS  on how many threads (default %ld, at most %ld)\n"
		"  -h          this text\n",
		SECONDS_DEFAULT, SECONDS_MAX, THREADS_DEFAULT, THREADS_MAX);
}

static long parse_number(char option, const char *text, long max)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < 1 || number > max) {
		fprintf(stderr, "userapp: -%c takes a number from 1 to %ld, not '%s'\n",
			option, max, text);
		exit(EXIT_USAGE);
	}
	return number;
}

static struct options parse_options(int argc, char **argv)
{
	struct options options = { SECONDS_DEFAULT, THREADS_DEFAULT, NULL };
	int option;

	while ((option = getopt(argc, argv, "+s:t:h")) != -1) {
		switch (option) {
		case 's':
			options.seconds = parse_number('s', optarg, SECONDS_MAX);
			break;
		case 't':
			options.threads = parse_number('t', optarg, THREADS_MAX);
			break;
		case 'h':
			print_help(stdout);
			check(!fflush(stdout), "standard output");
			exit(EXIT_SUCCESS);
		default:
			print_help(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc && !strcmp(argv[optind - 1], "--")) {
		options.command = argv + optind;
	} else if (optind < argc) {
		fprintf(stderr, "userapp: unexpected argument '%s'; put a command after --\n",
			argv[optind]);
		print_help(stderr);
		exit(EXIT_USAGE);
	}
	return options;
}

static FILE *open_status(const char *mode)
{
	FILE *file = fopen(STATUS_FILE, mode);

	if (file)
		return file;
	if (errno == ENOENT)
		die(access("/proc/version", F_OK) ?
		    "%s: /proc has subset=pid; type: mount -t proc none /proc (or ProcSubset=all)" :
		    "%s does not exist; load the module: sudo modprobe mp1\n"
		    "(or, where you built it: sudo insmod mp1.ko)", STATUS_FILE);
	if (errno == EACCES)
		die("no permission to use %s; become root, or ask the administrator", STATUS_FILE);
	die("%s: %s", STATUS_FILE, strerror(errno));
}

static void register_process(pid_t pid)
{
	FILE *file = open_status("w");

	fprintf(file, "%d", pid);
	if (fclose(file))	/* flushes: this is the write() that may fail */
		die("the module did not register process %d: %s;\n"
		    "mp1(4), ERRORS, and README.md explain the error", pid, strerror(errno));
}

/* n! modulo a prime: plain 21! would overflow, and 20! is too little work */
static uint64_t factorial(uint64_t n)
{
	uint64_t product = 1;

	for (; n > 1; n--)
		product = product * n % 1000000007u;
	return product;
}

static void *compute(void *unused)
{
	volatile uint64_t sink;
	uint64_t n = 0;

	(void)unused;
	while (!atomic_load(&stop))
		sink = factorial(n++ % 10000);
	(void)sink;
	return NULL;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	check(!clock_gettime(CLOCK_MONOTONIC, &now), "clock_gettime");
	return (double)(now.tv_sec - start->tv_sec) +
	       (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Wait for @seconds; on a terminal, draw a progress bar. */
static void wait_and_show(long seconds)
{
	static const char done[] = "########################################";
	static const char open[] = "........................................";
	const int width = sizeof(done) - 1;
	const struct timespec tick = { .tv_nsec = 100000000 };
	const bool terminal = isatty(STDERR_FILENO);
	struct timespec start;
	double elapsed;

	check(!clock_gettime(CLOCK_MONOTONIC, &start), "clock_gettime");
	while ((elapsed = seconds_since(&start)) < (double)seconds) {
		if (terminal) {
			int n = (int)(elapsed / (double)seconds * width);

			fprintf(stderr, "\r[%.*s%.*s] %4.1f of %ld s",
				n, done, width - n, open, elapsed, seconds);
		}
		nanosleep(&tick, NULL);
	}
	if (terminal)
		fprintf(stderr, "\r[%s] %4ld of %ld s\n", done, seconds, seconds);
}

static void compute_factorials(const struct options *options)
{
	pthread_t threads[THREADS_MAX];
	long i;

	for (i = 0; i < options->threads; i++) {
		int err = pthread_create(&threads[i], NULL, compute, NULL);

		if (err)
			die("cannot start thread %ld of %ld: %s; try a smaller -t",
			    i + 1, options->threads, strerror(err));
	}
	wait_and_show(options->seconds);
	atomic_store(&stop, true);
	for (i = 0; i < options->threads; i++) {
		errno = pthread_join(threads[i], NULL);
		check(!errno, "pthread_join");
	}
}

/*
 * Return the time of @pid in the list, in ns, or -1 if it is not listed. Copies each line to
 * @copy, unless that is NULL. Ignores whatever follows the time in a line, and stops at a line
 * that does not begin with a PID and a time.
 */
static int64_t find_in_list(FILE *list, pid_t pid, FILE *copy)
{
	int64_t utime, found = -1;
	char line[256];
	int line_pid;

	while (fgets(line, sizeof(line), list)) {
		if (sscanf(line, "%d: %" SCNd64, &line_pid, &utime) != 2)
			break;
		if (copy)
			fputs(line, copy);
		if (line_pid == pid)
			found = utime;
	}
	return found;
}

/* Print the list, then our own time in it beside that of getrusage(). */
static void print_list(void)
{
	FILE *file = open_status("r");
	struct rusage usage;
	int64_t listed, measured;

	check(!getrusage(RUSAGE_SELF, &usage), "getrusage");
	measured = (int64_t)usage.ru_utime.tv_sec * 1000000000 + usage.ru_utime.tv_usec * 1000;

	listed = find_in_list(file, getpid(), stdout);
	check(!ferror(file), "reading " STATUS_FILE);
	fclose(file);

	if (listed < 0)
		die("process %d is not listed (any more): has it been unregistered?",
		    getpid());
	printf("\nuser CPU time of process %d:\n"
	       "  mp1        %14.9f s (as of its last update)\n"
	       "  getrusage  %14.9f s (now)\n"
	       "  difference %14.9f s\n",
	       getpid(), (double)listed / 1e9, (double)measured / 1e9,
	       (double)(measured - listed) / 1e9);
	check(!fflush(stdout) && !ferror(stdout), "standard output");
}

/* The time of @pid in the list, in ns; -1 if it is not listed, or the file does not exist */
static int64_t listed_time(pid_t pid)
{
	FILE *file = fopen(STATUS_FILE, "r");
	int64_t utime;

	if (!file)
		return -1;
	utime = find_in_list(file, pid, NULL);
	fclose(file);
	return utime;
}

/* Seconds from update to update, or 0 if that cannot be known, because there is no /sys */
static double update_period(void)
{
	FILE *file = fopen(PERIOD_FILE, "r");
	unsigned int ms;

	if (!file && access("/sys/module", F_OK))
		return 0;
	if (!file || fscanf(file, "%u", &ms) != 1)
		die("cannot read %s; is another mp1 loaded? sudo rmmod mp1", PERIOD_FILE);
	fclose(file);
	return ms / 1000.0;
}

/* Start @command, registered and with signal mask @mask. */
static pid_t start_command(char **command, const sigset_t *mask)
{
	pid_t pid = fork();

	check(pid >= 0, "fork");
	if (!pid) {
		int status;

		register_process(getpid());
		sigprocmask(SIG_SETMASK, mask, NULL);
		execvp(command[0], command);
		status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
		fprintf(stderr, "userapp: cannot run '%s': %s\n", command[0], strerror(errno));
		exit(status);
	}
	return pid;
}

/**
 * struct progress - what the terminal shows of a command
 * @utime: its user CPU time in ns; -1 if not known yet
 * @when: when the last update was seen, in seconds since the start; 0 before the first
 */
struct progress {
	int64_t utime;
	double when;
};

/* Show the command's time if there was an update. @now is in seconds since the start. */
static void show_update(struct progress *shown, pid_t pid, double now, double period)
{
	int64_t utime = listed_time(pid);
	double updates = (double)(int64_t)((now - shown->when) / period + 0.5);

	if (shown->utime < 0)
		shown->utime = utime;	/* as of its registration */
	if (utime < 0 || utime == shown->utime)
		return;
	fprintf(stderr, "\ruserapp: %d: %.9f s user", pid, (double)utime / 1e9);
	/* Updates are whole periods apart, but the first covers an unknown part of one. */
	if (shown->when > 0)
		fprintf(stderr, ", %5.1f %%", (double)(utime - shown->utime) / 1e7 /
			((updates < 1 ? 1 : updates) * period));
	fputs("\033[K", stderr);
	shown->utime = utime;
	shown->when = now;
}

/*
 * Reap a command that has exited, print its totals, and return the exit status that a shell would.
 * @has_progress: a line of progress is on the terminal; end it first
 */
static int finish_command(pid_t pid, bool has_progress)
{
	int64_t utime = listed_time(pid);
	struct rusage usage;
	int status;

	check(wait4(pid, &status, 0, &usage) == pid, "wait4");
	if (has_progress)
		fputc('\n', stderr);
	if (utime < 0)
		fprintf(stderr, "userapp: %d is not listed: not registered, or mp1 was unloaded\n",
			pid);
	else
		fprintf(stderr, "userapp: %d: %.9f s user in all; wait4() says %lld.%06lld s\n",
			pid, (double)utime / 1e9, (long long)usage.ru_utime.tv_sec,
			(long long)usage.ru_utime.tv_usec);
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/**
 * run_command() - run a command and show the user CPU time that mp1 measures for it
 * @command: what to run, with its arguments
 *
 * On a terminal, reads the list a few times per period, because mp1 has no poll(): a process
 * sleeping there would still be on the module's wait queue when the module is unloaded. Without a
 * terminal there is no progress to show, so it reads the list only at the end: thousands may run at
 * once.
 *
 * Return: The exit status to end with.
 */
static int run_command(char **command)
{
	const double period = isatty(STDERR_FILENO) ? update_period() : 0, pause = period / 4;
	const struct timespec timeout = {
		(time_t)pause, (long)((pause - (double)(time_t)pause) * 1e9)
	};
	struct progress shown = { -1, 0 };
	struct timespec start;
	sigset_t signals, mask;
	siginfo_t info;
	pid_t pid;

	fclose(open_status("r"));	/* dies if the module is not loaded */
	/* They stay pending until we wait for them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGQUIT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	check(!sigprocmask(SIG_BLOCK, &signals, &mask), "sigprocmask");
	/* We may have inherited SIG_IGN, which would leave nothing to wait for. */
	check(signal(SIGCHLD, SIG_DFL) != SIG_ERR, "signal");
	check(!clock_gettime(CLOCK_MONOTONIC, &start), "clock_gettime");
	pid = start_command(command, &mask);
	for (;;) {
		int number = period > 0 ? sigtimedwait(&signals, &info, &timeout) :
					  sigwaitinfo(&signals, &info);

		/* The terminal sends its signals to the command as well. */
		if (number > 0 && number != SIGCHLD && info.si_code != SI_KERNEL)
			kill(pid, number);
		info.si_pid = 0;
		check(!waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG), "waitid");
		if (info.si_pid)
			return finish_command(pid, shown.when > 0);
		if (period > 0)
			show_update(&shown, pid, seconds_since(&start), period);
	}
}

int main(int argc, char **argv)
{
	const struct options options = parse_options(argc, argv);

	if (options.command)
		return run_command(options.command);
	register_process(getpid());
	compute_factorials(&options);
	print_list();
	return EXIT_SUCCESS;
}
