# SPDX-License-Identifier: GPL-2.0-only
# plot.gp - draw bench/run's results; format, results and out are given by it
if (format eq "svg") set terminal svg size 800,500 font "sans,13" background rgb "white"; \
else set terminal pngcairo size 1200,750 font "sans,13"
set logscale xy
set xlabel "processes"
set grid xtics ytics lc rgb "#dddddd"
set format x "10^{%T}"
set format y "10^{%T}"

# The values of one figure, processes with one thread
of(name) = sprintf("< awk '$1 == \"instructions\" && $2 == \"%s\" && $4 == 1 { print $3, $5 }' %s", name, results)
both = sprintf("< awk '$1 == \"instructions\" && $4 == 1 && ($2 == \"update\" || $2 == \"listing-64k\") { s[$3] += $5 } END { for (n in s) print n, s[n] }' %s | sort -n", results)

set output sprintf("%s/bench-cost.%s", out, format)
set ylabel "instructions a process"
set key outside right center
set yrange [50:1e6]
plot of("top") with linespoints lw 2 title "top -b", \
     of("pidstat") with linespoints lw 2 title "pidstat", \
     of("stat-opening") with linespoints lw 2 title "stat, opened each time", \
     of("taskstats") with linespoints lw 2 title "taskstats", \
     of("stat-pread") with linespoints lw 2 title "stat, kept open", \
     of("bpf-iterator") with linespoints lw 2 title "BPF task iterator", \
     both with linespoints lw 3 title "mp1: update and listing", \
     of("update") with linespoints lw 2 title "mp1: update alone"

set output sprintf("%s/bench-update.%s", out, format)
set ylabel "one update, instructions"
set yrange [1000:1e9]
set key inside left top
total(name, threads) = sprintf("< awk '$1 == \"instructions\" && $2 == \"%s\" && $4 == %d { print $3, $3 * $5 }' %s", name, threads, results)
plot total("update", 16) with linespoints lw 2 title "processes of 16 threads", \
     total("update", 1) with linespoints lw 2 title "processes of one thread"
