// SPDX-License-Identifier: GPL-2.0-only
/*
 * foreign.c - what tests/runner.c needs to run a module that is not ours
 *
 * Such a module may harm the kernel, and so spoil the next test. It may also print so much that
 * the console, where each byte costs microseconds, takes longer than the tests.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <unistd.h>

#include "harness.h"

/* Flags of an out-of-tree, an unsigned and a proprietary module: loading sets them. */
#define TAINTED_BY_LOADING 0x3001UL
/* It has oopsed, or a processor hung: nothing can be judged any more. */
#define TAINTED_BEYOND_USE 0x4080UL
#define TAINT_BAD_PAGE 0x20UL

/* For klogctl(): up to which level the kernel's log goes to the console */
enum { SET_LEVEL = 8, LOUD = 7, HUSHED = 3 };	/* a crash begins at 2 */

static unsigned long flags(void)
{
	const char *line = first_line("/proc/sys/kernel/tainted");

	return *line ? strtoul(line, NULL, 10) : ~0UL;
}

/* What the kernel's flags tell beyond its boot and the loading of a module */
unsigned long taint(void)
{
	static unsigned long initial;
	static bool is_known;

	if (!is_known)
		initial = flags();
	is_known = true;
	return flags() & ~(initial | TAINTED_BY_LOADING);
}

bool found_overwritten(void)
{
	return flags() & TAINT_BAD_PAGE;
}

void hush(void)
{
	if (!is_ours)
		klogctl(SET_LEVEL, NULL, HUSHED);
}

/* Print what the kernel has said since the last call, as far as the console has not had it. */
static void show_rest(void)
{
	static int log = -1;
	unsigned int size = 0;
	unsigned long long us;
	char record[9000], *text;
	ssize_t n;

	if (log < 0) {
		log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		lseek(log, 0, SEEK_END);
		return;
	}
	if (atoi(first_line("/proc/sys/kernel/printk")) != LOUD) {	/* it may be 0 */
		while (size < 1 << 18) {
			n = read(log, record, sizeof(record) - 1);
			if (n < 0 && errno == EPIPE)
				continue;	/* the oldest was overwritten */
			if (n <= 0)
				break;
			record[n] = '\0';
			text = strchr(record, ';');
			if (!text || sscanf(record, "%*u,%*u,%llu", &us) != 1)
				continue;
			text[strcspn(text, "\n")] = '\0';
			size += (unsigned int)printf("[%5llu.%06llu] %s\n", us / 1000000,
						     us % 1000000, text + 1);
		}
		fflush(stdout);
	}
	lseek(log, 0, SEEK_END);
}

/* Print what the console has not had yet, and let it have what comes. */
void show_log(void)
{
	show_rest();
	klogctl(SET_LEVEL, NULL, LOUD);
}

void tell_taint(void)
{
	char text[30];

	if (taint()) {
		snprintf(text, sizeof(text), "%lu", taint());
		tell("tainted", text);
	}
}

/* A line of /proc/meminfo, in KiB */
static long memory(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[100];
	long kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			sscanf(line, "%*s %ld", &kib);
	if (file)
		fclose(file);
	return kib;
}

/* Files and folders in /proc that are no process's */
static int files_in_proc(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while (proc && (entry = readdir(proc)))
		n += entry->d_name[0] > '9';
	if (proc)
		closedir(proc);
	return n;
}

/* What keeps the next test from being fair, or NULL. Call it first before the first test. */
const char *damage(void)
{
	static char text[100];
	static int files;
	long left, total = memory("MemTotal:");
	int err;

	if (!files) {
		files = files_in_proc();
		return NULL;
	}
	err = unload_module();
	sleep((unsigned int)(period() / SEC) + 1);	/* what it has left may come to life */
	if (err && err != ENOENT) {
		snprintf(text, sizeof(text), "the module cannot be unloaded: %s", strerror(err));
		return text;
	}
	if (files_in_proc() > files)
		return "the module's file is still there after unloading";
	left = memory("MemAvailable:");
	if (left < total / 3) {
		snprintf(text, sizeof(text), "of %ld MB of memory, %ld are left", total >> 10,
			 left >> 10);
		return text;
	}
	tell_taint();
	return taint() & TAINTED_BEYOND_USE ? "the kernel is no longer sound" : NULL;
}
