/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by all tests. To add a test, write it in one place:
 *
 *	#include "harness.h"
 *
 *	TEST(a_process_of_mine_is_listed, .parameters = SOON)
 *	{
 *		pid_t pid = spawn_idle();
 *
 *		enroll(pid);
 *		await_update();
 *		ck_assert_int_ge(listed(pid), 0);
 *	}
 *
 * It runs in its own process, as root, with the module freshly loaded and nothing
 * registered. Its topic is the name of its file.
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
#define NOT_LOADED	"not loaded"
/* For .needs: trace events, PID and user namespaces, memory cgroups */
#define TRACING		"/sys/kernel/tracing/events/workqueue/workqueue_execute_start"
#define PID_NAMESPACES	"/proc/self/ns/pid"
#define USER_NAMESPACES	"/proc/self/ns/user"
#define MEMORY_CGROUPS	"/proc/kpagecgroup"
#define CGROUPS		"/tmp/cgroups"		/* see mount_cgroups() */
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NOBODY		1000			/* a user without any rights */

/**
 * struct test - a test, as registered by TEST()
 * @name: the behaviour that it tests
 * @file: its file, which names its topic
 * @parameters: of the module, or NOT_LOADED; NULL for NEVER
 * @seconds: after which it hangs, longer on slow machines (see patience()); 0 for 270
 * @needs: a file that a feature of the kernel brings; without it, the test is skipped
 * @skip: returns why the test cannot run here, or NULL if it can; may be absent
 * @check: the test itself, for Check
 * @next: the test registered after this one
 */
struct test {
	const char *name;
	const char *file;
	const char *parameters;
	int seconds;
	const char *needs;
	const char *(*skip)(void);
	const TTest **check;
	struct test *next;
};

void register_test(struct test *test);

#define TEST(test_name, ...)						\
	static const TTest *test_name;					\
	__attribute__((constructor))					\
	static void test_name##_register(void)				\
	{								\
		static struct test test = {				\
			.name = #test_name, .file = __FILE__,		\
			.check = &test_name, __VA_ARGS__		\
		};							\
									\
		register_test(&test);					\
	}								\
	START_TEST(test_name)

/* Report an event to the host: see tests/report.py */
void tell(const char *event, const char *text);

/* If this test fails, it is the host's doing: it could not be judged. */
void cannot_tell(void);

/* Report a remark on what a test found */
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);

/* For .skip: why a test cannot run with one CPU, if there is only one */
const char *one_cpu(void);

/* Have the second version of cgroups at CGROUPS; false if this kernel has none */
bool mount_cgroups(void);

/* Create @path below CGROUPS, unless it is there: a cgroup whose memory is counted */
void make_memory_cgroup(const char *path);

/* The first line of a file, until the next call; "" if there is no such file */
const char *first_line(const char *path);

/* Is this a kernel with bug finders, on which tests run longer? */
bool finds_bugs(void);

/* Factor for all time limits on this machine */
int patience(void);

/*
 * Assert that a system call succeeded, and evaluate to its result. This avoids Check's
 * assertions, which take a lock even when they pass: a forked child inherits it locked, if another
 * thread held it at the fork, and waits forever.
 */
#define OK(call) ({							\
	__typeof__(call) ok_ = (call);					\
	if ((long)ok_ == -1)						\
		ck_abort_msg("%s: %m", #call);				\
	ok_;								\
})

/* The module. These return 0 or an errno. */
const char *module_name(void);
int load_module(const char *parameters);
void must_load(const char *parameters);		/* a test fails if it does not */
int unload_module(void);
void load_and_unload(void);	/* the kernel has its own remarks on the first load */

/* The file. Writes return 0 once everything is written, or an errno. */
int status_open(void);
int write_bytes(int fd, const void *bytes, size_t count);
int send_pid(int fd, pid_t pid);
int write_text(const char *text);		/* opens, writes, closes */
int write_pid(pid_t pid);
void enroll(pid_t pid);				/* write_pid() that must succeed */
char *read_all(int fd, size_t chunk);		/* from the current position; free() it */
char *read_list(void);				/* free() it */
int64_t listed(pid_t pid);			/* ns, or -1; fails if it has two lines */
int lines(void);
void await_update(void);

/* Time */
int64_t now(void);				/* ns, monotonic */
void nap(int64_t ns);
int64_t period(void);				/* that the assignment asks for */
bool await_until(int64_t deadline);		/* for polling: naps; false once it is over */
int64_t stat_utime(pid_t pid);			/* from /proc/PID/stat, in ns */
int64_t stat_stime(pid_t pid);
void burn(int64_t ns);				/* use CPU time, MOST of it in user mode */
#define MOST(ns) ((ns) * 3 / 10)	/* ticks are samples, and few on a busy host */

/* Processes; all of them are killed when the test ends. */
pid_t spawn(void (*run)(void *argument), void *argument);
pid_t spawn_idle(void);
void spawn_many(pid_t *pids, int n);		/* cheap idle ones; only once per test */
void finish_many(void);				/* but not zeroed entries; runs at the end, too */
pid_t spawn_as(pid_t pid, void (*run)(void *argument), void *argument);
void run_on(pid_t pid, int first, int last);	/* on these CPUs only, with its children to come */
void idle(void *unused);
void burn_forever(void *unused);
void start_threads(int n, void (*run)(void *));	/* of this process, each with a small stack */
void finish(pid_t pid);				/* kill and reap */
long process_objects(void);			/* task_structs and pids, in use or leaked */
long objects(const char *cache);		/* in a slab cache of the kernel */
void await_few(long (*count)(void), long most);	/* frees may be delayed */
void become(uid_t user);			/* for the rest of this process */
int wait_status(pid_t pid);			/* the exit status of a child, which must exit */

/* Read a whole file (at most 1 MiB; free() it), or write one */
char *slurp(const char *path);
void spew(const char *path, const char *text);

/* The kernel's log: mark it, then see what was added */
void log_mark(void);
int log_lines(char **text);			/* number of the module's own lines */

/* Where grade/ judges somebody else's module, see grade/foreign.c */
extern bool is_ours;
void hush(void);		/* the console has the rest after the test */
void show_log(void);
bool found_overwritten(void);	/* has the kernel found memory that was written past its end? */
unsigned long taint(void);
void tell_taint(void);
const char *damage(void);

/* The kernel's trace of the module: see trace.c */
#define UPDATE	"function mp1_update"
#define EXPIRE	"function=mp1_expire [mp1] now="	/* not timer_start */
void trace_begin(void);
bool trace_next(const char *word, int64_t *when, int64_t deadline);
int trace_count(const char *word, int64_t ns);

#endif /* HARNESS_H */
