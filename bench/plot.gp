# SPDX-License-Identifier: GPL-2.0-only
# plot.gp - draw bench/run's results; results and out are given by it
set terminal pngcairo size 1200,750 font "sans,13"
set logscale xy
set xlabel "processes"
set grid xtics ytics lc rgb "#dddddd"
set format x "10^{%T}"
set format y "10^{%T}"
set style data linespoints

# One figure, or the sum of two, against the number of processes: a process, or the whole
each(name, and) = sprintf("< awk '$1 == \"instructions\" && $4 == 1 \
	&& ($2 == \"%s\" || $2 == \"%s\") { sum[$3] += $5 } \
	END { for (n in sum) print n, sum[n] }' %s | sort -n", name, and, results)
whole(name, threads) = sprintf("< awk '$1 == \"instructions\" && $2 == \"%s\" && $4 == %d \
	{ print $3, $3 * $5 }' %s | sort -n", name, threads, results)

set output out . "/bench-cost.png"
set ylabel "instructions a process"
set key outside right center
set yrange [50:1e6]
plot each("top", "") lw 2 title "top -b", \
     each("pidstat", "") lw 2 title "pidstat", \
     each("stat-opening", "") lw 2 title "stat, opened each time", \
     each("taskstats", "") lw 2 title "taskstats", \
     each("stat-pread", "") lw 2 title "stat, kept open", \
     each("bpf-iterator", "") lw 2 title "BPF task iterator", \
     each("update", "listing-64k") lw 3 title "mp1: update and listing", \
     each("update", "") lw 2 title "mp1: update alone"

set output out . "/bench-update.png"
set ylabel "one update, instructions"
set yrange [1000:1e9]
set key inside left top
plot whole("update", 16) lw 2 title "processes of 16 threads", \
     whole("update", 1) lw 2 title "processes of one thread"
