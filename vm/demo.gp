# SPDX-License-Identifier: GPL-2.0-only
# demo.gp - draw what vm/demo measured; data, terminal and output are set by it
set key top left Left reverse
set xlabel "seconds"
set ylabel "user CPU time, s" offset 1
set xrange [0:]
set yrange [0:]
set tics out nomirror
set border 3
set style data linespoints
stats data using 1 nooutput
plot for [i = 0:STATS_blocks - 1] data index i using 1:2 linewidth 2 title columnheader(1)
