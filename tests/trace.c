// SPDX-License-Identifier: GPL-2.0-only
/* trace.c - watch the module's timer and work through the kernel's trace events */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define FOLDER	"/sys/kernel/tracing/"

static int pipe_fd = -1;

/*
 * Clear the trace. vm/guest/init has switched the events on, once, while nothing else ran.
 * That patches code, and QEMU's emulation of another CPU that executes this code can keep running
 * the old code.
 */
void trace_begin(void)
{
	spew(FOLDER "trace_clock", "mono");
	spew(FOLDER "trace", "");
	pipe_fd = OK(open(FOLDER "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

/* The next line, or NULL if none has come by @deadline */
static const char *next_line(int64_t deadline)
{
	static char text[65536];
	static size_t start, size;
	char *end;

	while (!(end = memchr(text + start, '\n', size - start))) {
		ssize_t n;

		memmove(text, text + start, size - start);
		size -= start;
		start = 0;
		n = read(pipe_fd, text + size, sizeof(text) - size);
		if (n > 0)
			size += (size_t)n;
		else if (n < 0 && errno != EAGAIN)
			ck_abort_msg("trace_pipe: %m");
		else if (!await_until(deadline))
			return NULL;
	}
	*end = '\0';
	end = text + start;
	start += strlen(end) + 1;
	return end;
}

/**
 * trace_next() - wait for an event
 * @word: text that its line must contain
 * @when: set to its time, in ns, if not NULL
 * @deadline: when to give up; what has been traced by then is still searched
 */
bool trace_next(const char *word, int64_t *when, int64_t deadline)
{
	const char *line, *colon;
	double seconds;

	while ((line = next_line(deadline))) {
		if (!strstr(line, word))
			continue;
		colon = strstr(line, ": ");	/* task-1 [000] d.h. 12.345678: event: … */
		if (when) {
			ck_assert_ptr_nonnull(colon);
			while (colon > line && colon[-1] != ' ')
				colon--;
			ck_assert_int_eq(sscanf(colon, "%lf", &seconds), 1);
			*when = (int64_t)(seconds * SEC);
		}
		return true;
	}
	return false;
}

/* How many events in the next @ns have @word in their line? Their own times count. */
int trace_count(const char *word, int64_t ns)
{
	int64_t start = now(), end = start + ns, when;
	int n = 0;

	while (trace_next(word, &when, end) && when < end)
		n += when >= start;
	return n;
}
