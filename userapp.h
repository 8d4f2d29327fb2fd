/* SPDX-License-Identifier: GPL-2.0-only */
/* userapp's limits, and where it finds the module */
#ifndef USERAPP_H
#define USERAPP_H

#define STATUS_FILE	"/proc/mp1/status"	/* the module's one file */
#define PERIOD_FILE	"/sys/module/mp1/parameters/period_ms"

#define SECONDS_DEFAULT	12L	/* longer than two update periods of 5 s */
#define SECONDS_MAX	86400L
#define THREADS_DEFAULT	1L
#define THREADS_MAX	256L

#define EXIT_USAGE	2	/* bad arguments */
#define EXIT_CANNOT_RUN	126	/* as in shells */
#define EXIT_NOT_FOUND	127	/* likewise */
#define EXIT_SIGNAL	128	/* likewise; plus the signal's number */

/**
 * struct options - what the command line asks for
 * @seconds: how long to compute
 * @threads: on how many threads
 * @command: what to run and measure instead, with its arguments, or NULL
 */
struct options {
	long seconds;
	long threads;
	char **command;
};

#endif /* USERAPP_H */
