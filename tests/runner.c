// SPDX-License-Identifier: GPL-2.0-only
/* runner.c - run the tests, one process each, and report */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "harness.h"

static struct test *tests, **tests_end = &tests;
static const struct test *running;

/*
 * What is reported begins with a word: "mp1" or, if grade/ judges somebody else's module, a key
 * that the module cannot know. It may do anything, even print a report.
 */
static char key[40] = "mp1";
bool is_ours = true;

static void read_key(void)
{
	FILE *file = fopen("/mp1/key", "re");

	if (!file)
		return;
	is_ours = false;
	if (fscanf(file, "%39s", key) != 1)
		key[0] = '\0';
	fclose(file);
	unlink("/mp1/key");
}

/*
 * Report an event, on one line: tests/report.py has the list, and reads them. It is sent when we
 * return, and so is known even if the machine crashes right after.
 */
void tell(const char *event, const char *text)
{
	FILE *report = fopen("/dev/report", "we");
	char line[600];
	size_t i;

	if (!report)
		return;
	snprintf(line, sizeof(line), "%s %s %s", key, event, text);
	for (i = 0; line[i]; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = ' ';
	fprintf(report, "%s\n", line);
	fflush(report);
	tcdrain(fileno(report));	/* where it is a terminal */
	fclose(report);
}

/* What the kernel's log says from here on, it says during this test. */
static void mark_log(const char *name)
{
	FILE *log;

	if (!is_ours)
		show_log();
	log = fopen("/dev/kmsg", "we");
	if (log) {
		fprintf(log, "mp1-tests: begin %s\n", name);
		fclose(log);
	}
	if (!is_ours && taint())	/* what it has shown once, it need not repeat at length */
		hush();
}

/*
 * A test has passed only if it says so itself, at its end, in memory that it shares with us: its
 * process may end with status 0 before. Each test has a word of its own for that.
 */
static struct { uint64_t ended, open; } *proof;
static uint64_t word;

static void expect_proof(void)
{
	if (!proof)
		proof = mmap(NULL, sizeof(*proof), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (proof == MAP_FAILED || getrandom(&word, sizeof(word), 0) != sizeof(word))
		abort();
	proof->ended = 0;
	proof->open = 0;
}

void cannot_tell(void)
{
	proof->open = word;
}

static bool is_loaded_for(const struct test *test)
{
	return !test->parameters || strcmp(test->parameters, NOT_LOADED);
}

static void set_up(void)
{
	if (!access(STATUS, F_OK))	/* left by a test that failed */
		ck_assert_int_eq(unload_module(), 0);
	if (is_loaded_for(running))
		must_load(running->parameters ? running->parameters : NEVER);
}

static void tear_down(void)
{
	finish_many();
	if (is_ours) {		/* else see damage() */
		if (is_loaded_for(running))
			ck_assert_int_eq(unload_module(), 0);
		ck_assert_msg(access("/proc/mp1", F_OK) && errno == ENOENT,
			      "/proc/mp1 is still there");
	}
	proof->ended = word;
}

/* Called by constructors, in source order within a file and tests/Makefile's order of files */
void register_test(struct test *test)
{
	const char *slash = strrchr(test->file, '/');

	if (slash)
		test->file = slash + 1;
	*tests_end = test;
	tests_end = &test->next;
}

/* Is @name the name of this test, or its topic? */
static bool is_called(const struct test *test, const char *name)
{
	size_t length = strlen(name);

	return !strcmp(test->name, name) ||
	       (!strncmp(test->file, name, length) && !strcmp(test->file + length, ".c"));
}

/* Note each thread's current system call, and where it is in the kernel. */
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
 * Fork a watcher that reports where the test is, one second before its time limit. The
 * test is the next process that leads its own process group.
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

/* Run a test and report its outcome. Return: whether it passed */
static bool run_test(const struct test *test)
{
	/* For ours: less than the machine's LIMIT, and long for a host that is busy */
	int seconds = (test->seconds ? test->seconds : is_ours ? 270 : 10) * patience() *
		      (period() > 5 * SEC ? (int)(period() / SEC) : 5) / 5;
	char text[500];
	bool has_passed;
	Suite *suite;
	TCase *tcase;
	SRunner *runner;
	int64_t start;
	double took;
	pid_t watcher;

	running = test;
	suite = suite_create(test->file);
	tcase = tcase_create(test->name);
	tcase_set_timeout(tcase, seconds);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, *test->check);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	expect_proof();
	start = now();
	watcher = watch(seconds);
	srunner_run_all(runner, CK_SILENT);
	if (watcher > 0) {
		kill(watcher, SIGKILL);
		waitpid(watcher, NULL, 0);
	}
	took = (double)(now() - start) / SEC;

	has_passed = !srunner_ntests_failed(runner) && proof->ended == word;
	snprintf(text, sizeof(text), "%.2f", took);
	tell("took", text);
	if (!has_passed && !srunner_ntests_failed(runner)) {
		tell("FAIL", test->name);
		tell("why", "the test was ended from outside, before its end");
	} else if (!has_passed) {
		TestResult **failures = srunner_failures(runner);

		tell(proof->open == word ? "open" : "FAIL", test->name);
		if (is_ours)
			snprintf(text, sizeof(text), "%s:%d: %s", tr_lfile(failures[0]),
				 tr_lno(failures[0]), tr_msg(failures[0]));
		tell("why", is_ours ? text : tr_msg(failures[0]));
		free(failures);
	} else {
		tell("ok", test->name);
	}
	srunner_free(runner);
	return has_passed;
}

/* Why this test cannot run here, or NULL */
static const char *why_not(const struct test *test)
{
	static char why[100];

	if (test->needs && access(test->needs, F_OK)) {
		snprintf(why, sizeof(why), "this kernel has no %s", test->needs);
		return why;
	}
	return test->skip ? test->skip() : NULL;
}

/* Arguments: names of tests or topics */
int main(int argc, char **argv)
{
	int passed = 0, failed = 0, skipped = 0, i;
	const struct test *test;
	const char *damaged = NULL;
	FILE *report;

	read_key();
	setpriority(PRIO_PROCESS, 0, -5);	/* ahead of the load that tests create */
	for (test = tests; test; test = test->next) {
		const char *why;

		for (i = 1; i < argc && !is_called(test, argv[i]); i++)
			;
		if (i == argc)
			continue;
		why = why_not(test);
		if (why) {
			skipped++;
			tell("skip", test->name);
			tell("why", why);
			continue;
		}
		damaged = is_ours ? NULL : damage();
		if (damaged) {
			tell("damage", damaged);
			break;
		}
		tell("begin", test->name);
		mark_log(test->name);
		if (run_test(test))
			passed++;
		else if (++failed && getenv("MP1_STOP"))
			break;
	}
	if (!is_ours) {
		show_log();
		tell_taint();
	}
	tell("over", "");
	if (failed)
		unload_module();	/* a test that fails leaves it to the next one */
	report = fopen("/dev/report", "w");
	if (!report || fprintf(report, "tests %d passed %d failed %d skipped\n",
			       passed, failed, skipped) < 0 || fclose(report)) {
		perror("/dev/report");
		return EXIT_FAILURE;
	}
	return passed && !failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
