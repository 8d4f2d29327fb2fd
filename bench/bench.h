/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by bench.c and rivals.c */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MSEC	1000000ULL	/* in ns */
#define SEC	1000000000ULL	/* in ns */

/* The processes to measure, sorted by PID, with @threads threads each */
struct crowd {
	int n, threads;
	pid_t *pids;
};

/* Evaluate to the call's result; if it fails, die with a message and the error. */
#define OK(call) ({					\
	__typeof__(call) ok_ = (call);			\
	if ((long)ok_ == -1)				\
		err(1, "%s", #call);			\
	ok_;						\
})

uint64_t now(void);		/* ns; in virtual time, instructions */

/**
 * struct rival - another way to get the user CPU times of many processes
 * @name: for the table
 * @prepare: called once, not measured: open, load, allocate; may be NULL
 * @read: store every process's user time in ns; returns the cost in ns
 * @finish: undo @prepare; may be NULL
 * @resolution: how far a time may be off, in ns
 * @is_tool: a program for people, which gets slower per process the more there are
 * @sampled: a quarter may be off by more: it counts ticks, of which a busy host delivers few
 */
struct rival {
	const char *name;
	void (*prepare)(const struct crowd *crowd);
	uint64_t (*read)(const struct crowd *crowd, uint64_t *times);
	void (*finish)(void);
	uint64_t resolution;
	bool is_tool;
	bool sampled;
};

extern const struct rival bpf_iterator;
extern const struct rival rivals[];	/* the others; ends with a NULL name */

#endif /* BENCH_H */
