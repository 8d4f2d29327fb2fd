// SPDX-License-Identifier: GPL-2.0-only
/* userapp.c - the userapp program */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* Start a shell command as an ordinary user, with its output going to @out. */
static pid_t start(const char *command, int out)
{
	pid_t pid = OK(fork());

	if (pid)
		return pid;
	become(NOBODY);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

/* Run a shell command; store its output and return its exit status. */
static int run(const char *command, char *output, size_t size)
{
	ssize_t n, all = 0;
	int out[2], status;
	pid_t pid;

	OK(pipe(out));
	pid = start(command, out[1]);
	close(out[1]);
	while ((n = OK(read(out[0], output + all, size - 1 - (size_t)all))) > 0)
		all += n;
	output[all] = '\0';
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(out[0]);
	return WEXITSTATUS(status);
}

/* Replace the module's file by another, for this test and the processes that it starts. */
static void replace_status(const char *path)
{
	OK(unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mount(path, STATUS, NULL, MS_BIND, NULL));
}

struct table {
	double mp1, getrusage, difference;	/* in seconds */
};

/* The comparison at the end of what userapp has printed */
static struct table read_table(const char *output)
{
	const char *text = strstr(output, "user CPU time of process ");
	struct table table;

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(sscanf(text, "%*[^:]: mp1 %lf %*[^g] getrusage %lf %*[^d] difference %lf",
				&table.mp1, &table.getrusage, &table.difference), 3);
	return table;
}

TEST(userapp_registers_itself_and_prints_the_list, .parameters = SOON)
{
	struct table table;
	char text[4096];

	enroll(1);
	ck_assert_int_eq(run("userapp -s 1", text, sizeof(text)), 0);
	ck_assert_msg(!strncmp(text, "1: ", 3), "%s", text);
	table = read_table(text);
	ck_assert_msg(table.mp1 > 0.5 && table.difference > -0.03 && table.difference < 0.2,
		      "%s", text);
}

TEST(userapp_counts_all_of_its_threads, .parameters = SOON, .skip = one_cpu)
{
	struct table table;
	char text[4096];

	ck_assert_int_eq(run("userapp -s 1 -t 2", text, sizeof(text)), 0);
	table = read_table(text);
	/* One thread cannot, in a second; and getrusage() counts all. */
	ck_assert_msg(table.mp1 > 1.05 && table.mp1 > 0.8 * table.getrusage, "%s", text);
}

TEST(userapp_explains_that_the_module_is_not_loaded, .parameters = NOT_LOADED)
{
	char text[4096];

	ck_assert_int_eq(run("userapp -s 1", text, sizeof(text)), 1);
	ck_assert_ptr_nonnull(strstr(text, "sudo insmod mp1.ko"));
}

TEST(userapp_explains_that_it_may_not_write)
{
	char text[4096];

	OK(chmod(STATUS, 0600));
	ck_assert_int_eq(run("userapp -s 1", text, sizeof(text)), 1);
	ck_assert_ptr_nonnull(strstr(text, "no permission to use " STATUS));
}

/* Run it with @path instead of the module's file: it must fail and print @explanation. */
static void expect_failure(const char *path, const char *explanation)
{
	char text[4096];

	replace_status(path);
	ck_assert_int_eq(run("userapp -s 1", text, sizeof(text)), 1);
	ck_assert_msg(strstr(text, explanation), "%s", text);
}

TEST(userapp_explains_that_it_cannot_open)
{
	OK(mknod("/tmp/no_driver", S_IFCHR | 0666, makedev(250, 250)));
	OK(chmod("/tmp/no_driver", 0666));
	expect_failure("/tmp/no_driver", STATUS ": No such device or address");
}

TEST(userapp_explains_that_it_was_not_registered)
{
	expect_failure("/dev/full", ": No space left on device;\nmp1(4), ERRORS, ");
}

/* A file that can be written, but not read */
TEST(userapp_explains_that_it_cannot_read, .needs = TRACING)
{
	OK(chmod("/sys/kernel/tracing/trace_marker", 0666));
	expect_failure("/sys/kernel/tracing/trace_marker", "reading " STATUS ": ");
}

TEST(userapp_explains_that_its_registration_is_gone)
{
	spew("/tmp/status", "");	/* will hold what userapp writes: a PID without a time */
	OK(chmod("/tmp/status", 0666));
	expect_failure("/tmp/status",
		       " is not listed (any more): has it been unregistered?");
}

TEST(userapp_explains_that_it_cannot_print)
{
	static const char *const commands[] = {
		"userapp -s 1 >/dev/full", "userapp -h >/dev/full"
	};
	char text[4096];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		ck_assert_int_eq(run(commands[i], text, sizeof(text)), 1);
		ck_assert_msg(strstr(text, "standard output: No space left on device"), "%s", text);
	}
}

TEST(userapp_explains_that_it_cannot_start_threads)
{
	char text[4096];

	ck_assert_int_eq(run("ulimit -u 2; userapp -s 1 -t 9", text, sizeof(text)), 1);
	ck_assert_msg(strstr(text, "cannot start thread ") && strstr(text, "try a smaller -t"),
		      "%s", text);
}

/* Run a command on a terminal, store what appears there in @text, and return its exit status. */
static int run_on_terminal(const char *command, char *text, size_t size)
{
	int terminal = OK(posix_openpt(O_RDWR | O_NOCTTY)), other;
	ssize_t n, all = 0;
	int status;

	OK(grantpt(terminal));
	OK(unlockpt(terminal));
	other = OK(open(ptsname(terminal), O_RDWR | O_NOCTTY));
	status = wait_status(start(command, other));
	close(other);
	/* Reading an empty terminal without writers fails with EIO. */
	while ((n = read(terminal, text + all, size - 1 - (size_t)all)) > 0)
		all += n;
	text[all] = '\0';
	close(terminal);
	return status;
}

TEST(userapp_shows_on_a_terminal_how_far_it_is, .needs = "/dev/ptmx")
{
	char text[4096];

	ck_assert_int_eq(run_on_terminal("userapp -s 1", text, sizeof(text)), 0);
	ck_assert_msg(!strncmp(text, "\r[....", 6), "%s", text);
	ck_assert_msg(strstr(text, "####....") && strstr(text, "###]    1 of 1 s"), "%s", text);
}

/* Parse the last line that userapp prints for a command. */
static void parse_totals(const char *text, double *mp1, double *wait4)
{
	const char *last = strstr(text, " user in all; ");

	ck_assert_msg(last, "%s", text);
	while (last > text && last[-1] != '\n')
		last--;
	ck_assert_msg(sscanf(last, "userapp: %*d: %lf s user in all; wait4() says %lf s", mp1,
			     wait4) == 2, "%s", text);
}

TEST(userapp_measures_a_command, .parameters = "period_ms=200", .skip = one_cpu)
{
	char text[4096];
	double mp1, wait4;

	ck_assert_int_eq(run("userapp -- sh -c 'exec userapp -s 2 >/dev/null'", text,
			     sizeof(text)), 0);
	ck_assert_msg(!strncmp(text, "userapp: ", 9) && strchr(text, '\n')[1] == '\0', "%s", text);
	parse_totals(text, &mp1, &wait4);
	ck_assert_msg(mp1 > 1 && mp1 - wait4 < 0.000002 && wait4 - mp1 < 0.000002, "%s", text);
}

TEST(userapp_draws_one_line_for_a_command_on_a_terminal,
	.parameters = "period_ms=100", .needs = "/dev/ptmx", .skip = one_cpu)
{
	double seconds, percent;
	char text[4096], *line;
	int updates = 0, busy = 0, wild = 0;

	ck_assert_int_eq(run_on_terminal("userapp -- sh -c 'exec userapp -s 1 >/dev/null 2>&1'",
					 text, sizeof(text)), 0);
	ck_assert_msg(!strncmp(text, "\ruserapp: ", 10), "%s", text);
	for (line = text; (line = strchr(line, '\r')); line++) {
		/* The first update has no percentage: its interval is unknown. */
		if (sscanf(line, "\ruserapp: %*d: %lf s user, %lf %%", &seconds, &percent) == 2) {
			ck_assert_msg(percent >= 0, "%s", text);
			updates++;
			busy += percent > 10;	/* on a busy host, not all */
			wild += percent > 190;	/* there, after an update that is seen late */
		}
	}
	ck_assert_msg(updates >= 5 && busy >= 3 && wild <= updates / 3, "%s", text);
	ck_assert_msg(strstr(text, " %\033[K\r"), "%s", text);
	ck_assert_msg(strstr(text, "\033[K\r\nuserapp: ") && strstr(text, " in all; "), "%s", text);
}

TEST(userapp_ends_as_its_command_does)
{
	static const struct {
		const char *command;
		int status;
		bool cannot_run;
	} cases[] = {
		{ "true", 0, false }, { "sh -c 'exit 3'", 3, false },
		{ "sh -c 'kill -9 $$'", 137, false }, { "sh -c 'kill -15 $$'", 143, false },
		{ "/tmp", 126, true }, { "no_such_command", 127, true },
	};
	char command[64], text[4096];
	double mp1, wait4;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(command, sizeof(command), "userapp -- %s", cases[i].command);
		ck_assert_msg(run(command, text, sizeof(text)) == cases[i].status, "%s: %s",
			      command, text);
		parse_totals(text, &mp1, &wait4);
		ck_assert_int_eq(!!strstr(text, "cannot run "), cases[i].cannot_run);
	}
}

/* The shell must set its traps before a signal comes: wait until it is ready. */
TEST(userapp_hands_signals_on_to_its_command)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
	char text[16] = "";
	size_t i;
	int out[2];

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid;

		OK(pipe(out));
		pid = start("exec userapp -- sh -c 'trap \"exit 7\" TERM INT QUIT HUP; echo ready;"
			    " while :; do usleep 10000; done'", out[1]);
		OK(read(out[0], text, sizeof(text) - 1));
		ck_assert_msg(!strncmp(text, "ready", 5), "%s", text);
		OK(kill(pid, signals[i]));
		ck_assert_int_eq(wait_status(pid), 7);
		close(out[0]);
		close(out[1]);
	}
}

TEST(userapp_runs_a_command_to_its_end_although_the_module_goes, .parameters = SOON)
{
	char text[4096] = "";
	int out[2];
	pid_t pid;

	OK(pipe(out));
	pid = start("exec userapp -- sh -c 'echo ready; usleep 300000; exit 5'", out[1]);
	OK(read(out[0], text, sizeof(text) - 1));
	ck_assert_int_eq(unload_module(), 0);
	ck_assert_int_eq(wait_status(pid), 5);
	OK(read(out[0], text, sizeof(text) - 1));
	ck_assert_msg(strstr(text, "is not listed: "), "%s", text);
	close(out[0]);
	close(out[1]);
	ck_assert_int_eq(load_module(NEVER), 0);
}

TEST(userapp_says_that_its_command_was_unregistered, .parameters = SOON, .needs = "/dev/ptmx")
{
	char text[4096];

	ck_assert_int_eq(run_on_terminal("userapp -- sh -c 'echo -$$ >" STATUS
					 "; usleep 100000; exit 3'", text, sizeof(text)), 3);
	ck_assert_msg(strstr(text, "is not listed: "), "%s", text);
}

TEST(userapp_runs_no_command_without_the_module, .parameters = NOT_LOADED)
{
	char text[4096];

	ck_assert_int_eq(run("userapp -- echo ran", text, sizeof(text)), 1);
	ck_assert_msg(strstr(text, "sudo insmod mp1.ko") && !strstr(text, "ran"), "%s", text);
}

/* Another module may have a file of that name, but not the parameter. */
TEST(userapp_explains_that_there_is_no_period, .needs = "/dev/ptmx")
{
	char text[4096];

	OK(unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mount("/dev/null", "/sys/module/mp1/parameters/period_ms", NULL, MS_BIND, NULL));
	ck_assert_int_eq(run_on_terminal("userapp -- echo ran", text, sizeof(text)), 1);
	ck_assert_msg(strstr(text, "another mp1") && !strstr(text, "ran"), "%s", text);
	OK(mount("tmpfs", "/sys/module/mp1/parameters", "tmpfs", 0, NULL));
	ck_assert_int_eq(run_on_terminal("userapp -- echo ran", text, sizeof(text)), 1);
	ck_assert_msg(strstr(text, "another mp1") && !strstr(text, "ran"), "%s", text);
}

/* As in a small container */
TEST(userapp_does_without_sys, .needs = "/dev/ptmx")
{
	char text[4096];

	OK(unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mount("tmpfs", "/sys", "tmpfs", 0, NULL));
	ck_assert_int_eq(run_on_terminal("userapp -- true", text, sizeof(text)), 0);
	ck_assert_msg(strstr(text, " in all; ") && !strstr(text, "another mp1"), "%s", text);
}

TEST(hundreds_of_userapps_run_at_once, .parameters = SOON, .seconds = 240)
{
	enum { MANY = 300 };
	char text[100 * MANY], *end = text;
	int i;

	ck_assert_int_eq(run("for i in $(seq 300); do userapp -- usleep 500000 & done; wait", text,
			     sizeof(text)), 0);
	for (i = 0; (end = strstr(end, " in all; ")); i++, end++)
		;
	ck_assert_int_eq(i, MANY);
}

TEST(userapp_runs_no_command_that_is_not_registered)
{
	char text[4096];

	replace_status("/dev/full");
	ck_assert_int_eq(run("userapp -- echo ran", text, sizeof(text)), 1);
	ck_assert_msg(strstr(text, "No space left") && !strstr(text, "ran"), "%s", text);
}

TEST(userapp_refuses_bad_arguments_with_status_2)
{
	static const char *const bad[] = {
		"-s", "-s 0", "-s x", "-s 1x", "-s -1", "-s 99999999999999999999", "-t 0", "-t 257",
		"-x", "word", "-s 1 word", "true --",
	};
	char command[64], text[4096];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(command, sizeof(command), "userapp %s", bad[i]);
		ck_assert_msg(run(command, text, sizeof(text)) == 2, "%s: %s", command, text);
		ck_assert_str_ne(text, "");
	}
	ck_assert_int_eq(run("userapp -h", text, sizeof(text)), 0);
	ck_assert_ptr_nonnull(strstr(text, "usage: userapp"));
}
