// SPDX-License-Identifier: GPL-2.0-only
/* programs.c - shells, scripting languages and tools, using the file as people do */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { FEW = 10, MANY = 700 };	/* lines that fill one buffer, and several */
static pid_t pids[MANY];
static int count;

/* Run @check with a list that fits into one buffer, and with one that does not. */
static void with_few_and_many(void (*check)(void))
{
	spawn_many(pids, MANY);
	for (count = FEW; count <= MANY; count += MANY - FEW) {
		int i;

		for (i = 0; i < count; i++)
			enroll(pids[i]);
		check();
	}
}

/*
 * Run @command, which must exit with 0, and return its output. $S is the file and $P is
 * @pid; in Python, $PRELUDE makes variables of both. dash runs it: busybox's shell would
 * run its own applets instead of the programs named.
 */
static char *output_of(const char *command, pid_t pid)
{
	char number[16], *output;
	FILE *pipe;
	int status;

	snprintf(number, sizeof(number), "%d", pid);
	OK(setenv("P", number, 1));
	OK(setenv("S", STATUS, 1));
	OK(setenv("PRELUDE", "import os; S, P = os.environ['S'], os.environ['P']\n", 1));
	OK(setenv("COMMAND", command, 1));
	pipe = popen("exec dash -c \"$COMMAND\" 2>&1", "r");
	ck_assert_ptr_nonnull(pipe);
	output = read_all(fileno(pipe), 65536);
	status = pclose(pipe);
	ck_assert_msg(!status, "%s: status %#x: %s", command, status, output);
	return output;
}

#define PYTHON(code)	"python3 -Sc \"$PRELUDE\"'" code "'"
#define TCL(code)	"echo '" code "' | tclsh"

/* Each of @commands must register a process and print nothing. */
static void all_register(const char *const *commands)
{
	for (; *commands; commands++) {
		pid_t pid = spawn_idle();
		char *output = output_of(*commands, pid);

		ck_assert_msg(!*output, "%s: %s", *commands, output);
		ck_assert_msg(listed(pid) >= 0, "%s: not registered", *commands);
		free(output);
	}
}

TEST(programs_that_append_register)
{
	static const char *const commands[] = {
		"bash -c 'echo $P >>$S'",
		"dash -c 'echo $P >>$S'",
		"busybox sh -c 'echo $P >>$S'",
		"zsh -fc 'echo $P >>$S'",
		"ksh93 -c 'echo $P >>$S'",
		"mksh -c 'echo $P >>$S'",
		"echo $P | tee -a $S >/dev/null",
		"echo $P | busybox tee -a $S >/dev/null",
		"echo $P | dd of=$S oflag=append conv=notrunc status=none",
		"gawk 'BEGIN { print ENVIRON[\"P\"] >>ENVIRON[\"S\"] }'",
		"echo $P | mawk '{ print $1 >>ENVIRON[\"S\"] }'",
		"perl -e 'open F, \">>\", $ENV{S} or die; print F $ENV{P}; close F or die $!'",
		PYTHON("print(P, file=open(S, \"a\"))"),
		PYTHON("open(S, \"a+\").write(P)"),
		PYTHON("open(S, \"ab\", 0).write(P.encode())"),
		TCL("set f [open $env(S) a]; puts $f $env(P); close $f"),
		TCL("set f [open $env(S) a+]; puts $f $env(P); close $f"),
		NULL
	};
	static const char *const modes[] = { "a", "a+", "r+", "w" };
	size_t i;

	all_register(commands);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		FILE *file = fopen(STATUS, modes[i]);
		pid_t pid = spawn_idle();

		ck_assert_msg(file, "fopen(\"%s\"): %m", modes[i]);
		ck_assert_int_gt(fprintf(file, "%d\n", pid), 0);
		ck_assert_int_eq(fclose(file), 0);
		ck_assert_int_ge(listed(pid), 0);
	}
}

TEST(programs_that_write_the_line_end_apart_register)
{
	static const char *const commands[] = {
		PYTHON("import io; "
			"f = io.TextIOWrapper(open(S, \"wb\", 0), write_through=True); "
			"print(P, file=f)"),
		"perl -e 'open F, \">\", $ENV{S} or die; select F; $| = 1; "
			"print $ENV{P} or die $!; print \"\\n\" or die $!'",
		TCL("set f [open $env(S) w]; fconfigure $f -buffering none; "
			"puts -nonewline $f $env(P); puts $f {}; close $f"),
		"(printf $P; printf ' '; printf '\\n') >$S",
		"bash -c '(printf $P; echo) >$S'",
		"ksh93 -c '(printf $P; echo) >>$S'",
		NULL
	};

	all_register(commands);
}

/* Shells, each reading line by line. @body is what they do with process $pid. */
static void each_reads_lines(void (*check)(const char *command), const char *body)
{
	static const char *const forms[] = {
		"bash -c 'while read -r pid ns; do %s; done <$S'",
		"bash -c 'exec 3<$S; while read -r -u 3 pid ns; do %s; done'",
		"dash -c 'while read -r pid ns; do %s; done <$S'",
		"busybox sh -c 'while read -r pid ns; do %s; done <$S'",
		"zsh -fc 'while read -r pid ns; do %s; done <$S'",
		"ksh93 -c 'while read -r pid ns; do %s; done <$S'",
		"mksh -c 'while read -r pid ns; do %s; done <$S'",
		"bash -c 'mapfile -t all <$S; for line in \"${all[@]}\"; do "
			"read -r pid ns <<<\"$line\"; %s; done'",
		"bash -c 'while read -r pid ns; do %s; done < <(cat $S)'",
	};
	char command[1024];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(command, sizeof(command), forms[i], body);
		check(command);
	}
}

/* Process 1, which has the first line, comes and goes, so that all other lines move. */
static void lists_each_once(const char *command)
{
	char *output, *rest, *line;
	int i = 0;

	enroll(1);
	output = output_of(command, 0);
	rest = output;
	while ((line = strsep(&rest, "\n")) && *line) {
		char *end;
		long pid = strtol(line, &end, 10);

		ck_assert_msg(!strncmp(end, ": ", 2), "%s: '%s'", command, line);
		strtol(end + 2, &end, 10);
		ck_assert_msg(!strcmp(end, " end"), "%s: '%s'", command, line);
		if (pid == 1)
			continue;
		ck_assert_msg(i < count && pid == pids[i], "%s: line %d is '%s'", command, i, line);
		i++;
	}
	ck_assert_msg(i == count, "%s: %d of %d processes", command, i, count);
	free(output);
}

static const char toggle[] = "echo \"$pid $ns end\"; n=$((n + 1)); echo $((n % 2 * -2 + 1)) >$S";

static void loop_over_lines(void)
{
	each_reads_lines(lists_each_once, toggle);
}

TEST(a_loop_over_lines_sees_each_process_once_while_it_changes, .seconds = 900)
{
	with_few_and_many(loop_over_lines);
}

static void unregisters_all(const char *command)
{
	char *output;
	int i;

	for (i = 0; i < count; i++)
		enroll(pids[i]);
	output = output_of(command, 0);
	ck_assert_msg(!*output, "%s: %s", command, output);
	ck_assert_msg(!lines(), "%s: %d still registered", command, lines());
	free(output);
}

static void unregister_all(void)
{
	each_reads_lines(unregisters_all, "echo \"-${pid%%:}\" >$S");
	unregisters_all("gawk '{ sub(\":\", \"\", $1); print -$1 >S; close(S) }' S=$S $S");
	unregisters_all("mawk '{ sub(\":\", \"\", $1); print -$1 >>S; close(S) }' S=$S $S");
	unregisters_all("perl -e 'open F, $ENV{S}; while (<F>) { /^\\d+/; open G, \">\", $ENV{S}; "
			"print G \"-$&\"; close G or die }'");
	unregisters_all(PYTHON("for line in open(S): "
			"print(\"-\" + line.split(\":\")[0], file=open(S, \"w\"))"));
	unregisters_all(TCL("set f [open $env(S)]; while {[gets $f line] >= 0} { "
			"set g [open $env(S) w]; puts $g -[lindex [split $line :] 0]; close $g }"));
	unregisters_all("tail -n +1 $S | while read -r pid ns; do echo -${pid%:} >$S; done");
	if (count > FEW)	/* these spawn several processes per line */
		return;
	unregisters_all("while head -n 1 | (read -r pid ns && echo -${pid%:} >$S); do :; done <$S");
	unregisters_all("while line=$(sed -u q) && [ -n \"$line\" ]; do "
			"echo -${line%%:*} >$S; done <$S");
	unregisters_all("while line=$(grep -m 1 .); do echo -${line%%:*} >$S; done <$S");
}

TEST(a_loop_over_lines_can_unregister_them_all, .seconds = 900)
{
	with_few_and_many(unregister_all);
}

/* Each of @commands must print @text. */
static void all_print(const char *const *commands, size_t n, const char *text)
{
	size_t i, same;

	for (i = 0; i < n; i++) {
		char *output = output_of(commands[i], 0);

		for (same = 0; output[same] && output[same] == text[same]; same++)
			;
		ck_assert_msg(!strcmp(output, text), "%s: '%.20s' instead of '%.20s' at byte %zu",
			      commands[i], output + same, text + same, same);
		free(output);
	}
}

static void read_to_the_end(void)
{
	static const char *const commands[] = {
		"cat $S", "cat <$S", "busybox cat $S", "dd if=$S status=none",
		"dd if=$S bs=7 status=none", "dd if=$S bs=1M status=none",
		"busybox dd if=$S bs=100 2>/dev/null",
		"head -n 99999 $S", "head -c 99999 $S", "busybox head -n 99999 $S",
		"head -n -0 $S", "head -c -0 $S", "tail -n +1 $S", "tail -c +1 $S",
		"tail -n 99999 $S",
		"tail -c 99999 $S", "busybox tail -n 99999 $S", "tac $S | tac", "tac <$S | tac",
		"split -l 50 $S /tmp/part. && cat /tmp/part.* && rm /tmp/part.*",
		"split -b 1000 $S /tmp/part. && cat /tmp/part.* && rm /tmp/part.*",
		"less $S", "less <$S", "sed '' $S", "grep . $S", "sort -n $S",
		"cp $S /tmp/copy && cat /tmp/copy",
		"gawk 1 $S", "mawk 1 $S", "perl -pe 1 $S",
		"perl -e 'open F, $ENV{S}; local $/; print <F>'",
		PYTHON("print(open(S).read(), end=\"\")"),
		PYTHON("os.write(1, open(S, \"rb\", 0).read())"),
		PYTHON("f = open(S)\n"
			"while line := f.readline(): f.seek(f.tell()); print(line, end=\"\")"),
		TCL("set f [open $env(S)]; puts -nonewline [read $f]"),
		"bash -c 'mapfile a <$S; printf %s \"${a[@]}\"'", "bash -c 'echo \"$(<$S)\"'",
		"(head -n 1; cat) <$S", "(head -c 100; cat) <$S",
		"(dd bs=5 count=3 status=none; cat) <$S", "(sed -u 1q; cat) <$S",
		"(grep -m 1 .; cat) <$S",
		"bash -c '(read -r line; echo \"$line\"; cat) <$S'",
		"(dd bs=16 skip=1 count=0 status=none; cat) <$S | (head -c 16 $S; cat)",
	};

	all_print(commands, ARRAY_SIZE(commands), read_list());
}

TEST(programs_that_read_to_the_end_give_the_same_text, .seconds = 900)
{
	with_few_and_many(read_to_the_end);
}

static void read_the_end(void)
{
	static const char *const commands[] = {
		"tail -n 3 $S", "tail -n 3 <$S", "busybox tail -n 3 $S", "tac $S | head -n 3 | tac",
		"tac <$S | head -n 3 | tac", "sed -n '$!{N;$!{N;$!D}};p' $S | tail -n 3",
		"gawk '{ a[NR] = $0 } END { for (i = NR - 2; i <= NR; i++) print a[i] }' $S",
		PYTHON("print(*open(S).readlines()[-3:], sep=\"\", end=\"\")"),
	};
	char *list;
	int n;

	list = read_list();
	list += strlen(list) - 1;
	for (n = 0; n < 3; n++)
		while (*--list != '\n')
			;
	all_print(commands, ARRAY_SIZE(commands), list + 1);
}

TEST(programs_that_read_the_end_give_the_last_lines)
{
	with_few_and_many(read_the_end);
}

TEST(programs_that_keep_the_file_open_see_it_change)
{
	static const char *const commands[] = {
		PYTHON("f = open(S); f.read(); f.readline()\n"
			"print(P, file=open(S, \"w\")); f.seek(0); print(f.read())"),
		PYTHON("f = open(S, \"r+b\", 0); f.read(10); "
			"f.write(P.encode()); print(os.pread(f.fileno(), 99999, 0))"),
		"perl -e 'open F, $ENV{S}; <F>; open G, \">\", $ENV{S}; print G $ENV{P}; close G; "
			"seek F, 0, 0; print <F>'",
		TCL("set f [open $env(S)]; gets $f; "
			"set g [open $env(S) w]; puts $g $env(P); close $g; "
			"seek $f 0; puts [read $f]"),
		"bash -c 'exec 3<$S; read -u 3 -r line; echo $P >$S; cat $S'",
	};
	char number[16], *output;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		pid_t pid = spawn_idle();

		enroll(getpid());
		output = output_of(commands[i], pid);
		snprintf(number, sizeof(number), "%d: ", pid);
		ck_assert_msg(strstr(output, number), "%s: no %s", commands[i], number);
		free(output);
	}
}
