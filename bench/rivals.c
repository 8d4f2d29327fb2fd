// SPDX-License-Identifier: GPL-2.0-only
/* rivals.c - other ways to get the user CPU times of processes, each at its best */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/taskstats.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "iter.h"

enum { PIDS = 4194304 };	/* the kernel allows no more */

/* /proc/PID/stat */

enum { UTIME = 14, STIME = 15 };	/* fields of /proc/PID/stat, in ticks */

/* The name in field 2 may contain anything; the last ')' ends it. */
static uint64_t ticks(const char *stat, int wanted)
{
	const char *p = strrchr(stat, ')');
	int field;

	for (field = 2; p && field < wanted; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		errx(1, "not a stat file: %s", stat);
	return strtoull(p, NULL, 10) * (SEC / 100);	/* USER_HZ */
}

static int stat_open(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return OK(open(path, O_RDONLY | O_CLOEXEC));
}

static uint64_t stat_time(pid_t pid, int field)
{
	char text[1024];
	int fd = stat_open(pid);
	ssize_t n = OK(read(fd, text, sizeof(text) - 1));

	close(fd);
	text[n] = '\0';
	return ticks(text, field);
}

static uint64_t read_stat_opening(const struct crowd *crowd, uint64_t *times)
{
	uint64_t start = now();
	int i;

	for (i = 0; i < crowd->n; i++)
		times[i] = stat_time(crowd->pids[i], UTIME);
	return now() - start;
}

static int *stat_fds, stat_count;

static void open_stats(const struct crowd *crowd)
{
	int i;

	stat_count = crowd->n;
	stat_fds = calloc((size_t)stat_count, sizeof(*stat_fds));
	for (i = 0; i < stat_count; i++)
		stat_fds[i] = stat_open(crowd->pids[i]);
}

static void close_stats(void)
{
	int i;

	for (i = 0; i < stat_count; i++)
		close(stat_fds[i]);
	free(stat_fds);
}

static uint64_t read_stat_open(const struct crowd *crowd, uint64_t *times)
{
	uint64_t start = now();
	char text[1024];
	int i;

	for (i = 0; i < crowd->n; i++) {
		ssize_t n = OK(pread(stat_fds[i], text, sizeof(text) - 1, 0));

		text[n] = '\0';
		times[i] = ticks(text, UTIME);
	}
	return now() - start;
}

/* taskstats, over netlink: one request per thread, so add up the threads */

static struct nl_sock *sock;
static int family;
static struct thread {
	int process;
	pid_t tid;
} *threads;
static int thread_count;

static void find_threads(const struct crowd *crowd)
{
	int i;

	threads = calloc((size_t)crowd->n * (size_t)crowd->threads, sizeof(*threads));
	thread_count = 0;
	for (i = 0; i < crowd->n; i++) {
		char path[32];
		struct dirent *entry;
		DIR *dir;

		snprintf(path, sizeof(path), "/proc/%d/task", crowd->pids[i]);
		dir = opendir(path);
		if (!dir)
			err(1, "%s", path);
		while ((entry = readdir(dir)))
			if (entry->d_name[0] != '.')
				threads[thread_count++] = (struct thread){ i, atoi(entry->d_name) };
		closedir(dir);
	}
}

static int store_stats(struct nl_msg *msg, void *total)
{
	struct nlattr *attrs[TASKSTATS_TYPE_MAX + 1], *stats[TASKSTATS_TYPE_MAX + 1];
	struct taskstats answer;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, attrs, TASKSTATS_TYPE_MAX, NULL) ||
	    !attrs[TASKSTATS_TYPE_AGGR_PID] ||
	    nla_parse_nested(stats, TASKSTATS_TYPE_MAX, attrs[TASKSTATS_TYPE_AGGR_PID], NULL) ||
	    !stats[TASKSTATS_TYPE_STATS])
		errx(1, "taskstats: bad answer");
	nla_memcpy(&answer, stats[TASKSTATS_TYPE_STATS], sizeof(answer));
	*(uint64_t *)total += answer.ac_utime * 1000;	/* it is in us */
	return NL_OK;
}

static void open_taskstats(const struct crowd *crowd)
{
	find_threads(crowd);
	sock = nl_socket_alloc();
	if (!sock || genl_connect(sock) || (family = genl_ctrl_resolve(sock, TASKSTATS_GENL_NAME)) < 0)
		errx(1, "this kernel has no taskstats");
	nl_socket_disable_auto_ack(sock);
}

static uint64_t read_taskstats(const struct crowd *crowd, uint64_t *times)
{
	uint64_t start = now();
	int i;

	memset(times, 0, (size_t)crowd->n * sizeof(*times));
	for (i = 0; i < thread_count; i++) {
		struct nl_msg *msg = nlmsg_alloc_size(64);
		int error;

		genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, 0, TASKSTATS_CMD_GET,
			    TASKSTATS_GENL_VERSION);
		nla_put_u32(msg, TASKSTATS_CMD_ATTR_PID, (uint32_t)threads[i].tid);
		error = nl_send_auto(sock, msg);
		nlmsg_free(msg);
		if (error >= 0) {
			nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, store_stats,
					    &times[threads[i].process]);
			error = nl_recvmsgs_default(sock);
		}
		if (error < 0)
			errx(1, "taskstats: %s", nl_geterror(error));
	}
	return now() - start;
}

static void close_taskstats(void)
{
	nl_socket_free(sock);
	free(threads);
}

/* BPF's task iterator */

static struct bpf_object *bpf;
static struct bpf_link *link_;
static struct thread_time *sums;	/* by PID */

static void open_iterator(const struct crowd *crowd)
{
	struct bpf_program *program;

	(void)crowd;
	bpf = bpf_object__open_file("/mp1/iter.bpf.o", NULL);
	if (!bpf || bpf_object__load(bpf))
		errx(1, "iter.bpf.o does not load");
	program = bpf_object__find_program_by_name(bpf, "dump");
	link_ = bpf_program__attach_iter(program, NULL);
	if (!link_)
		err(1, "no task iterator");
	sums = calloc(PIDS, sizeof(*sums));
}

static uint64_t read_iterator(const struct crowd *crowd, uint64_t *times)
{
	uint64_t start = now();
	int fd = OK(bpf_iter_create(bpf_link__fd(link_))), i;
	static struct thread_time text[4096];
	ssize_t n;

	for (i = 0; i < crowd->n; i++)
		sums[crowd->pids[i]] = (struct thread_time){ 0 };
	while ((n = OK(read(fd, text, sizeof(text))))) {
		for (i = 0; i < n / (ssize_t)sizeof(*text); i++) {
			struct thread_time *sum = &sums[text[i].tgid];

			sum->utime += text[i].utime;
			sum->stime += text[i].stime;
			sum->runtime += text[i].runtime;
		}
	}
	close(fd);
	for (i = 0; i < crowd->n; i++) {
		const struct thread_time *sum = &sums[crowd->pids[i]];

		/* As the kernel does: split the precise runtime in proportion to the ticks. */
		times[i] = !sum->stime ? sum->runtime : !sum->utime ? 0 :
			   (uint64_t)((unsigned __int128)sum->runtime * sum->utime /
				      (sum->utime + sum->stime));
	}
	return now() - start;
}

static void close_iterator(void)
{
	bpf_link__destroy(link_);
	bpf_object__close(bpf);
	free(sums);
}

/* Tools. All of their CPU time counts, because that is what the user pays. */

static uint64_t run(char *const *argv, uint64_t *times, const struct crowd *crowd,
		    bool (*parse)(char *line, pid_t *pid, uint64_t *time))
{
	static char output[] = "/tmp/output", line[1024];
	posix_spawn_file_actions_t actions;
	int *index = calloc(PIDS, sizeof(*index)), status, found = 0, i, error;
	struct rusage usage;
	uint64_t time;
	FILE *file;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	if (error)
		errx(1, "%s: %s", argv[0], strerror(error));
	OK(wait4(pid, &status, 0, &usage));
	if (status)
		errx(1, "%s failed", argv[1]);

	for (i = 0; i < crowd->n; i++)
		index[crowd->pids[i]] = i + 1;
	file = fopen(output, "re");
	if (!file)
		err(1, "%s", output);
	while (fgets(line, sizeof(line), file))
		if (parse(line, &pid, &time) && pid > 0 && pid < PIDS && index[pid]) {
			times[index[pid] - 1] = time;
			found++;
		}
	fclose(file);
	free(index);
	if (found != crowd->n)
		errx(1, "%s lists %d of %d processes", argv[1], found, crowd->n);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SEC +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* 12:00:00  UID  PID  usr-ms  system-ms  guest-ms  Command */
static bool parse_pidstat(char *line, pid_t *pid, uint64_t *time)
{
	unsigned long long ms;

	if (sscanf(line, "%*s %*d %d %llu", pid, &ms) != 2)
		return false;
	*time = ms * MSEC;
	return true;
}

static uint64_t run_pidstat(const struct crowd *crowd, uint64_t *times)
{
	static char *argv[] = { "/mp1/ld-linux-x86-64.so.2", "/mp1/pidstat", "-T", "CHILD",
				"-p", "ALL", NULL };

	return run(argv, times, crowd, parse_pidstat);
}

/* PID USER PR NI VIRT RES SHR S %CPU %MEM TIME+ COMMAND; minutes:seconds.hundredths of both */
static bool parse_top(char *line, pid_t *pid, uint64_t *time)
{
	unsigned int m, s, c;

	if (sscanf(line, "%d %*s %*s %*d %*s %*s %*s %*s %*s %*s %u:%u.%u", pid, &m, &s, &c) != 4)
		return false;
	*time = (m * 60ULL + s) * SEC + c * (SEC / 100);
	return true;
}

static uint64_t run_top(const struct crowd *crowd, uint64_t *times)
{
	static char *argv[] = { "/mp1/ld-linux-x86-64.so.2", "/mp1/top", "-b", "-n", "1", NULL };
	uint64_t took = run(argv, times, crowd, parse_top);
	int i;

	/* It shows the sum of user and system time: subtract system time to compare. */
	for (i = 0; i < crowd->n; i++)
		times[i] -= MIN(times[i], stat_time(crowd->pids[i], STIME));
	return took;
}

/*
 * Most of these print hundredths of a second. taskstats reports us, but counts ticks of 4 ms,
 * and charges each tick as a whole to user time or to system time.
 */
const struct rival rivals[] = {
	{ "stat-opening", NULL, read_stat_opening, NULL, 20 * MSEC, false, false },
	{ "stat-pread", open_stats, read_stat_open, close_stats, 20 * MSEC, false, false },
	{ "taskstats", open_taskstats, read_taskstats, close_taskstats, 60 * MSEC, false, true },
	{ "pidstat", NULL, run_pidstat, NULL, 20 * MSEC, true, false },
	{ "top", NULL, run_top, NULL, 40 * MSEC, true, false },
	{ NULL }
};

const struct rival bpf_iterator = {
	"bpf-iterator", open_iterator, read_iterator, close_iterator, 10 * MSEC, false, false
};
