/* SPDX-License-Identifier: GPL-2.0-only */
/* What userapp and the module agree on, and userapp's limits */
#ifndef USERAPP_H
#define USERAPP_H

#define STATUS_FILE	"/proc/mp1/status"	/* the module's one file */

#define SECONDS_DEFAULT	12L	/* longer than two update periods of 5 s */
#define SECONDS_MAX	86400L
#define THREADS_DEFAULT	1L
#define THREADS_MAX	256L

#define EXIT_USAGE	2	/* bad arguments */

/**
 * struct options - what the command line asks for
 * @seconds: how long to compute
 * @threads: on how many threads
 */
struct options {
	long seconds;
	long threads;
};

#endif /* USERAPP_H */
