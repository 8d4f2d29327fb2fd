/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests share
 *
 * Every test runs in a process of its own, as root, with the module freshly
 * loaded and nothing registered; see RUN() for how.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STATUS		"/proc/mp1/status"
#define MODULE		"/mp1/mp1.ko"
#define MSEC		1000000LL		/* in ns */
#define SEC		1000000000LL		/* in ns */
#define TICK		(SEC / 100)		/* of /proc/PID/stat, in ns */
#define NEVER		"period_ms=3600000"	/* module parameters: no update in a test */
#define SOON		"period_ms=20"
#define NOT_LOADED	NULL
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NOBODY		1000			/* a user without any rights */

/* Topics, one a file: each runs its tests */
void test_write(void);
void test_rights(void);
void test_list(void);
void test_measure(void);
void test_lifetime(void);
void test_namespace(void);
void test_period(void);
void test_module(void);
void test_stress(void);
void test_userapp(void);
void test_faults(void);
void test_load(void);
void test_hostile(void);
void test_limits(void);
void test_default_period(void);
void test_hour(void);

/**
 * RUN() - run a test, if it was asked for, and report its outcome
 * @test: made with START_TEST; named after the behaviour that it proves
 * @seconds: how long it may take; on kernels with bug finders four times as long
 * @parameters: of the module, or NOT_LOADED
 */
#define RUN(test, seconds, parameters) run_test(test, #test, seconds, parameters)
void run_test(const TTest *test, const char *name, int seconds, const char *parameters);

/* The same where a condition holds; elsewhere print why it cannot */
#define RUN_IF(condition, why, test, seconds, parameters) do {		\
	if (condition)							\
		RUN(test, seconds, parameters);				\
	else								\
		skip_test(#test, why);					\
} while (0)
void skip_test(const char *name, const char *why);

/* A remark on what a test found, for its output */
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);

/* Is this a kernel with bug finders, for which the tests take their time? */
bool finds_bugs(void);

/*
 * Assert that a system call succeeded; its value is then that of the call. Not one of
 * Check's assertions: one that holds makes a note of it under a lock, which a child of
 * fork() finds taken for ever when another thread was just doing so.
 */
#define OK(call) ({							\
	__typeof__(call) ok_ = (call);					\
	if ((long)ok_ == -1)						\
		ck_abort_msg("%s: %m", #call);				\
	ok_;								\
})

/* The module. Returns are 0 or an errno. */
int load_module(const char *parameters);
int unload_module(void);

/* The file. Writes return 0, once all is written, or an errno. */
int status_open(void);
int write_bytes(int fd, const void *bytes, size_t count);
int put_pid(int fd, pid_t pid);
int write_text(const char *text);		/* opens, writes, closes */
int write_pid(pid_t pid);
void enroll(pid_t pid);				/* write_pid() that must succeed */
char *read_all(int fd, size_t chunk);		/* from the position on; free() it */
char *read_list(void);				/* free() it */
int64_t listed(pid_t pid);			/* ns, or -1; fails on a second line */
int lines(void);
void await_update(void);

/* Time */
int64_t now(void);				/* ns, monotonic */
void nap(int64_t ns);
bool await_until(int64_t deadline);		/* for polling: naps, false when over */
int64_t stat_utime(pid_t pid);			/* from /proc/PID/stat, in ns */
void burn(int64_t ns);				/* use so much CPU time, MOST of it in user mode */
#define MOST(ns) ((ns) * (finds_bugs() ? 5 : 8) / 10)

/* Processes; all of them are killed when the test ends. */
pid_t spawn(void (*run)(void *argument), void *argument);
pid_t spawn_idle(void);
void spawn_many(pid_t *pids, int n);		/* idle ones, which cost little; once a test */
void finish_many(void);				/* those that are not 0; also at the end */
pid_t spawn_as(pid_t pid, void (*run)(void *argument), void *argument);
void idle(void *unused);
void burn_forever(void *unused);
void finish(pid_t pid);				/* kill and reap */
long process_objects(void);			/* task_structs and pids, used or lost */
long objects(const char *cache);		/* how many a slab cache of the kernel's has */
void await_few(long (*count)(void), long most);	/* what is freed may take its time */
void become(uid_t user);			/* for the rest of this process */
int wait_status(pid_t pid);			/* of a child that must exit: its status */

/* A file's whole text (at most 1 MiB, free() it), and writing one */
char *slurp(const char *path);
void spew(const char *path, const char *text);

/* The kernel's log; mark it, then see what has come since */
void log_mark(void);
int log_lines(char **text);			/* number of the module's own */

/* The kernel's trace of the module: see trace.c */
void trace_begin(void);
bool trace_next(const char *word, int64_t *when, int64_t deadline);

#endif /* HARNESS_H */
