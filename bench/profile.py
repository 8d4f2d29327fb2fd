# SPDX-License-Identifier: GPL-2.0-only
# profile.py - for gdb on the machine of bench/profile: step and count
import bisect
import collections
import os
import gdb

addresses, names = [], []
for line in sorted(open(os.environ["SYMBOLS"], errors="replace")):
    word = line.split()
    if len(word) == 3 and word[0] == "symbol":
        addresses.append(int(word[1], 16))
        names.append(word[2])
where = dict(zip(names, addresses))
out = open(os.environ["OUT"], "w")
USER = 1 << 47  # from here on addresses are the kernel's


def pc():
    return int(gdb.parse_and_eval("(unsigned long)$pc"))


def go_to(name, condition=None):
    """Run until the machine is at function @name and @condition holds"""
    at = gdb.Breakpoint("*%#x" % where[name])
    at.condition = condition
    gdb.execute("continue", to_string=True)
    at.delete()


def step_until(done, title, unit, units=1):
    """Step until done(pc), and print in which functions the instructions were"""
    counts = collections.Counter()
    at = pc()
    while not done(at):
        counts[names[bisect.bisect(addresses, at) - 1]] += 1
        gdb.execute("stepi", to_string=True)
        at = pc()
    total = sum(counts.values())
    print("%s: %.0f instructions %s" % (title, total / units, unit), file=out)
    for name, count in counts.most_common(18):
        print("  %8.1f  %4.1f %%  %s" % (count / units, 100 * count / total, name), file=out)


# do_syscall_64(regs, nr): regs->dx at 0x60 is the third argument, the number of bytes
call = "$esi == %d && *(long *)($rdi + 0x60) == %d"
go_to("do_syscall_64", call % (1, 13))
if chr(int(gdb.parse_and_eval("*(char *)*(long *)($rdi + 0x68)"))) == "-":
    go_to("do_syscall_64", call % (1, 13))
step_until(lambda at: at < USER, "registering", "a process, from do_syscall_64() on")
go_to("do_syscall_64", call % (0, 3001))
go_to("mp1_show")
lines = 0


def thirtieth_line(at):
    global lines
    lines += at == where["mp1_show"]
    return lines > 30


step_until(thirtieth_line, "listing", "a line, without what read() costs", 30)
go_to("mp1_update")
back = int(gdb.parse_and_eval("*(unsigned long *)$sp"))
step_until(lambda at: at == back, "an update", "a process", 201)
out.close()
gdb.execute("kill")
