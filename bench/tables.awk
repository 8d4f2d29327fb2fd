# SPDX-License-Identifier: GPL-2.0-only
# tables.awk - what bench/run measured, for people
#
# gawk -v where=TEXT -f tables.awk goals results: the goals and a table, in Markdown
# gawk -v release=NAME -f tables.awk goals results quick.txt: whether what was measured meets the
# goals and, if quick.txt is of this kernel, is at most 5 % above that. Exits with 1 if not.
#
# A line of the results is: MACHINE FIGURE PROCESSES THREADS VALUE BOOT

/^#/ || !NF { next }
ARGIND == 1 { goals[++number] = $0 }
ARGIND == 2 {
	add($1 SUBSEP $2 SUBSEP $3 SUBSEP $4, $5)
	add($1 SUBSEP $2 SUBSEP $3 SUBSEP $4 SUBSEP $6, $5)
	if ($6 > boots)
		boots = $6
}
ARGIND == 3 && $1 == "kernel" { kernel = $2 }
ARGIND == 3 && $1 != "kernel" { was[$0] }

function add(key, value)
{
	values[key][++count[key]] = value
}

# The value that part of the values are below: the median, if it is 0.5
function quantile(key, part,	list)
{
	return count[key] ? list[int(part * (asort(values[key], list) - 1) + 1.5)] : ""
}

function of(machine, figure, processes, threads)
{
	return quantile(machine SUBSEP figure SUBSEP processes SUBSEP threads, 0.5)
}

# The figure of a goal, divided by what it is against
function measured(goal, processes,	base)
{
	base = goal[4] == "-" ? 1 : goal[4] !~ /^@/ ? of(goal[1], goal[4], processes, 1) :
	       of(goal[1], goal[2], substr(goal[4], 2), 1)
	processes = of(goal[1], goal[2], processes, 1)
	return processes == "" || !base ? "" : processes / base
}

function commas(n)
{
	return n + 0 < 1000 ? n : sprintf("%d,%03d", n / 1000, n % 1000)
}

function cell(v)
{
	return v == "" || !v ? v : v < 0.1 ? sprintf("%.3f", v) : v < 10 ? sprintf("%.2f", v) :
	       commas(sprintf("%.0f", v))
}

# Things, with commas between them
function list(things, thing)
{
	return things (things == "" ? "" : "; ") thing
}

# One goal: in a row of Markdown or, if there is a quick.txt, in a line for each size
function judge(line,	goal, what, n, sizes, i, v, shown, is, verdict)
{
	split(line, goal)
	what = gensub(/^([^ ]+ +){5}/, "", 1, line)
	verdict = "met"
	n = split(goal[3], sizes, ",")
	for (i = 1; i <= n; i++) {
		v = measured(goal, sizes[i])
		if (ARGC > 3 && v != "")
			check(what, sizes[i], goal[4], v, goal[5])
		if (verdict != "**missed**" && v == "")
			verdict = "not measured"
		else if (v != "" && v > goal[5])
			verdict = "**missed**"
		is = list(is, v == "" ? "–" : cell(v))
		shown = list(shown, commas(sizes[i]))
	}
	if (goal[4] ~ /^@/)
		shown = shown " against " commas(substr(goal[4], 2))
	if (ARGC < 4)
		printf "| %s | %s | %s | %s | %s |\n", what, shown, commas(goal[5]), is, verdict
}

function check(what, processes, against, v, limit,	good)
{
	good = v != "" && v <= limit
	failed += !good
	what = what ", " processes (against ~ /^@/ ? " against " substr(against, 2) : "")
	printf "%-5s %-60s %8s, at most %s\n", (good ? "ok" : "FAIL"), what,
		(v == "" ? "missing" : sprintf("%.2f", v)), limit
}

function spread(processes,	key, boot, medians)
{
	key = "time" SUBSEP "mp1/bpf-iterator" SUBSEP processes SUBSEP 1
	if (!count[key])
		return
	for (boot = 1; boot <= boots; boot++)
		medians = list(medians, cell(quantile(key SUBSEP boot, 0.5)))
	printf "- %s processes: %d pairs, half of them from %s to %s, all from %s to %s; " \
		"medians of the boots: %s; an instruction takes %s ns in an update, %s in a " \
		"listing, %s in the iterator\n", commas(processes), count[key],
		cell(quantile(key, 0.25)), cell(quantile(key, 0.75)),
		cell(quantile(key, 0)), cell(quantile(key, 1)), medians,
		speed("update", processes), speed("listing-64k", processes),
		speed("bpf-iterator", processes)
}

function speed(figure, processes,	executed)
{
	executed = of("instructions", figure, processes, 1)
	return executed ? cell(of("time", figure, processes, 1) / executed) : "–"
}

# A row of the table, of a figure or the sum of two
function row(title, figure, other,	i, size, v, ratio)
{
	printf "| %s |", title
	for (i = 1; i <= columns; i++) {
		split(column[i], size, " × ")
		v = of("instructions", figure, size[1], size[2])
		if (other && v != "")
			v += of("instructions", other, size[1], size[2])
		printf " %s |", cell(v)
	}
	ratio = other ? 1 : of("time", "mp1/" figure, 10000, 1)
	printf " %s |\n", (ratio ? cell(1 / ratio) : "")
}

function tables(	i, size)
{
	printf "%s\n\n| what | processes | at most | measured | |\n|---|---|---:|---|---|\n", where
	for (i = 1; i <= number; i++)
		judge(goals[i])
	print "\nThe ratios to BPF's iterator in time are medians:\n"
	for (i = 1000; i <= 100000; i *= 10)
		spread(i)
	printf "\n| instructions a process |"
	columns = split("1000 × 1,10000 × 1,100000 × 1,10000 × 16", column, ",")
	for (i = 1; i <= columns; i++) {
		split(column[i], size, " × ")
		printf " %s%s |", commas(size[1]), (size[2] > 1 ? " × " size[2] " threads" : "")
	}
	print " time, 10,000 processes |\n|---|---:|---:|---:|---:|---:|"
	row("register", "register")
	row("register, in a memory cgroup", "register-charged")
	row("unregister", "unregister")
	row("update", "update")
	row("listing", "listing-64k")
	row("**update and listing**", "update", "listing-64k")
	row("BPF's task iterator", "bpf-iterator")
	row("`/proc/PID/stat`, kept open", "stat-pread")
	row("taskstats", "taskstats")
	row("`/proc/PID/stat`, opened each time", "stat-opening")
	row("`pidstat -p ALL`", "pidstat")
	row("`top -b -n 1`", "top")
}

function quick(	line, word)
{
	PROCINFO["sorted_in"] = "@ind_str_asc"
	for (line = 1; line <= number; line++)
		judge(goals[line])
	if (kernel != release) {
		printf "%s is of kernel %s, this is %s: only goals\n", ARGV[3], kernel, release
	} else {
		for (line in was) {
			split(line, word)
			check(word[1], word[2], "",
			      of("instructions", word[1], word[2], 1), word[3] * 1.05)
		}
	}
}

END {
	if (ARGC > 3)
		quick()
	else
		tables()
	exit failed > 0
}
