// SPDX-License-Identifier: GPL-2.0-only
/* userapp.c - the program beside the module */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* Run a shell command as an ordinary user; its output and its exit status */
static int run(const char *command, char *output, size_t size)
{
	int out[2], status;
	ssize_t n, all = 0;
	pid_t pid;

	OK(pipe(out));
	pid = OK(fork());
	if (!pid) {
		become(NOBODY);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(out[1]);
	while ((n = OK(read(out[0], output + all, size - 1 - (size_t)all))) > 0)
		all += n;
	output[all] = '\0';
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(out[0]);
	return WEXITSTATUS(status);
}

START_TEST(userapp_registers_itself_and_prints_the_list)
{
	double mp1, getrusage, difference;
	char text[4096], *table;

	enroll(1);
	ck_assert_int_eq(run("userapp -s 1", text, sizeof(text)), 0);
	ck_assert_msg(!strncmp(text, "1: ", 3), "%s", text);
	table = strstr(text, "user CPU time of process ");
	ck_assert_ptr_nonnull(table);
	ck_assert_int_eq(sscanf(table, "%*[^:]: mp1 %lf %*[^g] getrusage %lf %*[^d] difference %lf",
				&mp1, &getrusage, &difference), 3);
	ck_assert_msg(mp1 > 0.5 && difference > -0.03 && difference < 0.2, "%s", text);
}
END_TEST

START_TEST(userapp_counts_all_of_its_threads)
{
	char text[4096];
	double mp1;

	ck_assert_int_eq(run("userapp -s 1 -t 2", text, sizeof(text)), 0);
	ck_assert_int_eq(sscanf(strstr(text, " mp1 "), " mp1 %lf", &mp1), 1);
	ck_assert_msg(mp1 > 1.3, "%s", text);
}
END_TEST

START_TEST(userapp_explains_that_the_module_is_not_loaded)
{
	char text[4096];

	ck_assert_int_eq(run("userapp -s 1", text, sizeof(text)), 1);
	ck_assert_ptr_nonnull(strstr(text, "sudo insmod mp1.ko"));
}
END_TEST

START_TEST(userapp_explains_that_it_may_not_write)
{
	char text[4096];

	OK(chmod(STATUS, 0600));
	ck_assert_int_eq(run("userapp -s 1", text, sizeof(text)), 1);
	ck_assert_ptr_nonnull(strstr(text, "no right to use " STATUS));
}
END_TEST

START_TEST(userapp_refuses_bad_arguments_with_status_2)
{
	static const char *const bad[] = {
		"-s", "-s 0", "-s x", "-s 1x", "-s -1", "-s 99999999999999999999", "-t 0", "-t 257",
		"-x", "word", "-s 1 word",
	};
	char command[64], text[4096];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(command, sizeof(command), "userapp %s", bad[i]);
		ck_assert_msg(run(command, text, sizeof(text)) == 2, "%s: %s", command, text);
		ck_assert_str_ne(text, "");
	}
	ck_assert_int_eq(run("userapp -h", text, sizeof(text)), 0);
	ck_assert_ptr_nonnull(strstr(text, "usage: userapp"));
}
END_TEST

void test_userapp(void)
{
	RUN(userapp_registers_itself_and_prints_the_list, 30, SOON);
	RUN(userapp_counts_all_of_its_threads, 30, SOON);
	RUN(userapp_explains_that_the_module_is_not_loaded, 30, NOT_LOADED);
	RUN(userapp_explains_that_it_may_not_write, 30, NEVER);
	RUN(userapp_refuses_bad_arguments_with_status_2, 30, NEVER);
}
