# SPDX-License-Identifier: GPL-2.0-only
# tables.awk - from bench/run's results ("MODE NAME PROCESSES THREADS VALUE") the tables
# that people read, in Markdown

{
	value[$1, $2, $3, $4] = $5
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

# One row a figure, one column for each number of processes and threads; "" in @base
# for the figures themselves, or a name to divide them by
function table(mode, title, base,	list, count, i, j, v, b, row)
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
	count = split(names[mode], list, " ")
	for (i = 1; i <= count; i++) {
		if (list[i] ~ /idle/ || (base && list[i] ~ /bytes|tenths/))
			continue
		row = "| " list[i] " |"
		for (j = 1; j <= n; j++) {
			v = value[mode, list[i], columns[j]]
			if (base && v != "") {
				b = value[mode, "update", columns[j]] + value[mode, "listing-64k", columns[j]]
				v = b ? v / b : ""
			}
			row = row " " cell(v) " |"
		}
		print row
	}
}

function goal(what, is, want, at_most)
{
	if (is == "")
		printf "| %s | %s %s | not measured | |\n", what, at_most ? "at most" : "at least", want
	else
		printf "| %s | %s %s | %s | %s |\n", what, at_most ? "at most" : "at least", want, cell(is), \
			(at_most ? is <= want : is >= want) ? "met" : "**missed**"
}

function ratio(a, b)
{
	return a == "" || b == "" || !b ? "" : a / b
}

function v(name, processes, mode)
{
	return value[mode ? mode : "instructions", name, processes, 1]
}

END {
	table("instructions", "Instructions a process", "")
	table("time", "Time, as multiples of mp1's update and listing together, in the same machine", "ratio")
	printf "\nGoals\n\n| what | goal | measured at %d processes | |\n|---|---|---:|---|\n", most
	goal("register, instructions", v("register", most), 2400, 1)
	goal("register, last tenth against first", v("register-tenths", most), 1.1, 1)
	goal("listing, instructions a line", v("listing-64k", most), 350, 1)
	goal("listing, against 1,000 processes", ratio(v("listing-64k", most), v("listing-64k", 1000)), 1.1, 1)
	goal("listing, 1 KiB buffers against 64 KiB", ratio(v("listing-1k", most), v("listing-64k", most)), 1.5, 1)
	goal("update, instructions a process", v("update", most), 110, 1)
	goal("update, against 1,000 processes", ratio(v("update", most), v("update", 1000)), 1.1, 1)
	goal("update, the same in time", ratio(v("update", most, "time"), v("update", 1000, "time")), 2, 1)
	both = v("update", most) + v("listing-64k", most)
	goal("pread of open /proc/PID/stat against update and listing", ratio(v("stat-pread", most), both), 50, 0)
	goal("update and listing against BPF's task iterator", ratio(both, v("bpf-iterator", most)), 1, 1)
	goal("longest hold of the lock, 50,000 against 100", \
	     ratio(v("longest-hold", 50000, "lock"), v("longest-hold", 100, "lock")), 1.5, 1)
	goal("timer and work events in 30 s with nothing registered", v("idle-events-in-30s", 1), 0, 1)
	goal("slab, bytes a process", v("slab-bytes", most), 128, 1)
}
