# SPDX-License-Identifier: GPL-2.0-only
# tables.awk - from bench/run's results ("MODE NAME PROCESSES THREADS VALUE BOOT") the tables
# that people read, in Markdown

{
	value[$1, $2, $3, $4, $6] = $5
	if ($6 > boots)
		boots = $6
	if (!(($1, $2) in known))
		names[$1] = names[$1] " " $2
	known[$1, $2] = 1
	if (!(($3, $4) in seen) && $1 == "instructions" && $2 != "idle-events-in-30s")
		columns[++n] = $3 SUBSEP $4
	if ($2 != "idle-events-in-30s")
		seen[$3, $4] = 1
	if ($1 == "instructions" && $4 == 1 && $3 > most)
		most = $3
}

function cell(v)
{
	return v == "" ? "" : v < 10 ? sprintf("%.2f", v) : sprintf("%.0f", v)
}

# What one boot measured; update and listing-64k together are "both"
function one(mode, name, processes, threads, boot,	a, b)
{
	if (name != "both")
		return value[mode, name, processes, threads, boot]
	a = value[mode, "update", processes, threads, boot]
	b = value[mode, "listing-64k", processes, threads, boot]
	return a == "" || b == "" ? "" : a + b
}

# The median over the boots of a figure or, with @base, of its ratio to the figure @base of
# the same boot, over @base_processes; sets low, high and count
function median(mode, name, processes, threads, base, base_processes,	boot, a, b, list)
{
	count = 0
	delete list
	for (boot = 1; boot <= boots; boot++) {
		a = one(mode, name, processes, threads, boot)
		b = base ? one(mode, base, base_processes, threads, boot) : 1
		if (a != "" && b != "" && b)
			list[++count] = a / b
	}
	if (!count)
		return ""
	asort(list)
	low = list[1]
	high = list[count]
	return list[int((count + 1) / 2)]
}

# One row a figure, one column for each number of processes and threads; "" in @base
# for the figures themselves, or a name to divide them by
function table(mode, title, base,	list, number, i, j, c, row)
{
	printf "\n%s\n\n| |", title
	for (j = 1; j <= n; j++) {
		split(columns[j], c, SUBSEP)
		printf " %d%s |", c[1], (c[2] > 1 ? " × " c[2] " threads" : "")
	}
	printf "\n|---|"
	for (j = 1; j <= n; j++)
		printf "---:|"
	print ""
	number = split(names[mode], list, " ")
	for (i = 1; i <= number; i++) {
		if (list[i] ~ /idle/ || (base && list[i] ~ /bytes|tenths/))
			continue
		row = "| " list[i] " |"
		for (j = 1; j <= n; j++) {
			split(columns[j], c, SUBSEP)
			row = row " " cell(median(mode, list[i], c[1], c[2], base, c[1])) " |"
		}
		print row
	}
}

# A ratio @is of several boots is shown with its spread
function goal(what, is, want, at_most)
{
	if (is == "") {
		printf "| %s | %s %s | not measured | |\n", what, at_most ? "at most" : "at least", want
		return
	}
	printf "| %s | %s %s | %s%s | %s |\n", what, at_most ? "at most" : "at least", want, cell(is), \
		(count > 1 ? sprintf(" (%d boots: %s to %s)", count, cell(low), cell(high)) : ""), \
		(at_most ? is <= want : is >= want) ? "met" : "**missed**"
}

function instructions(name, processes, base, base_processes)
{
	return median("instructions", name, processes, 1, base, base_processes)
}

# The highest of a figure over these numbers of processes
function highest(name, numbers,	list, number, i, v, max)
{
	number = split(numbers, list, " ")
	for (i = 1; i <= number; i++) {
		v = instructions(name, list[i])
		if (v == "")
			return ""
		if (max == "" || v > max)
			max = v
	}
	return max
}

END {
	table("instructions", "Instructions a process", "")
	table("time", "Time, as multiples of mp1's update and listing together, in the same machine", "both")
	printf "\nGoals\n\n| what | goal | measured | |\n|---|---|---:|---|\n"
	goal("update, instructions a process, 100 to 100,000", highest("update", "100 1000 10000 100000"), 98, 1)
	goal("listing, instructions a line, 1,000 to 100,000", highest("listing-64k", "1000 10000 100000"), 480, 1)
	goal("listing, 100,000 against 1,000", instructions("listing-64k", 100000, "listing-64k", 1000), 1.05, 1)
	goal("listing, 1 KiB buffers against 64 KiB", instructions("listing-1k", most, "listing-64k", most), 1.5, 1)
	goal("register, instructions, at 100,000", instructions("register", 100000), 2250, 1)
	goal("register, last tenth against first", instructions("register-tenths", 100000), 1.05, 1)
	goal("stat-opening against update and listing", instructions("stat-opening", most, "both", most), 50, 0)
	goal("update and listing against BPF's iterator, instructions", \
	     instructions("both", most, "bpf-iterator", most), 1, 1)
	for (i = 1000; i <= 100000; i *= 10)
		goal("update and listing against BPF's iterator, time, " i, \
		     median("time", "both", i, 1, "bpf-iterator", i), 0.9, 1)
	goal("update, time a process, 100,000 against 1,000", \
	     median("time", "update", 100000, 1, "update", 1000), 2, 1)
	goal("longest hold of the lock, 50,000 against 100", \
	     median("lock", "longest-hold", 50000, 1, "longest-hold", 100), 1.5, 1)
	goal("timer and work events in 30 s with nothing registered", instructions("idle-events-in-30s", 1), 0, 1)
	goal("slab, bytes a process", instructions("slab-bytes", most), 128, 1)
}
