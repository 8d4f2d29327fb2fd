/* SPDX-License-Identifier: GPL-2.0-only */
/* What the bench and the ways to measure processes share */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MSEC	1000000ULL	/* in ns */
#define SEC	1000000000ULL	/* in ns */

/* The processes that are measured, in the order of their PIDs, with @threads each */
struct crowd {
	int n, threads;
	pid_t *pids;
};

/* Die with a message and the error, unless the call succeeded; its value. */
#define OK(call) ({					\
	__typeof__(call) ok_ = (call);			\
	if ((long)ok_ == -1)				\
		err(1, "%s", #call);			\
	ok_;						\
})

uint64_t now(void);		/* ns; in virtual time that is instructions */

/**
 * struct rival - a way to learn the user CPU times of many processes
 * @name: for the table
 * @prepare: done once and not measured: open, load, allocate; NULL if nothing
 * @read: store every process's user time in ns; returns the cost in ns
 * @finish: undo @prepare
 * @resolution: how far a time may be off, in ns
 * @is_tool: it is a program that people call, and takes the longer the more there are
 */
struct rival {
	const char *name;
	void (*prepare)(const struct crowd *crowd);
	uint64_t (*read)(const struct crowd *crowd, uint64_t *times);
	void (*finish)(void);
	uint64_t resolution;
	bool is_tool;
};

extern const struct rival rivals[];	/* the last has no name */

#endif /* BENCH_H */
