# SPDX-License-Identifier: GPL-2.0-only
# profile.py - run by gdb on the machine of bench/profile: step and count
import bisect
import collections
import os
import re
import gdb

addresses, names = [], []
for line in sorted(open(os.environ["SYMBOLS"], errors="replace")):
    word = line.split()
    if len(word) == 3 and word[0] == "symbol":
        addresses.append(int(word[1], 16))
        names.append(word[2])
where = dict(zip(names, addresses))
out = open(os.environ["OUT"], "w")
USER = 1 << 47  # kernel addresses are above this


LINE = 64  # bytes
STACK = 16384
OPERAND = re.compile(r"(%.s:)?(-?0x[0-9a-f]+)?\(%(r..?)?(?:,%(r..?),(.))?\)")
operands = {}  # memory operands of the instructions seen so far


def value(register):
    return int(gdb.parse_and_eval("(unsigned long)$" + register))


def pc():
    return value("pc")


def accessed(at):
    """The addresses that the instruction accesses, except stack, per-CPU and fixed ones"""
    if at not in operands:
        asm = gdb.selected_inferior().architecture().disassemble(at)[0]["asm"]
        found = [] if asm.startswith(("lea", "nop")) else OPERAND.findall(asm)
        operands[at] = [o for o in found if o[0] != "%gs:" and o[2] != "rip"]
    for _, offset, base, index, scale in operands[at]:
        address = int(offset or "0", 16) + (value(base) if base else 0)
        address += value(index) * int(scale) if index else 0
        if abs(address % 2**64 - value("rsp")) >= STACK:
            yield address % 2**64


def go_to(name, condition=None, skip=0):
    """Run until the machine is at function @name and @condition holds, for the @skip + 1st time"""
    at = gdb.Breakpoint("*%#x" % where[name])
    at.condition = condition
    at.ignore_count = skip
    gdb.execute("continue", to_string=True)
    at.delete()


def step_until(done, title, unit, units=1):
    """Step until done(pc), and print how many instructions each function ran"""
    counts = collections.Counter()
    lines = set()
    at = pc()
    while not done(at):
        lines.update(address // LINE for address in accessed(at))
        counts[names[bisect.bisect(addresses, at) - 1]] += 1
        gdb.execute("stepi", to_string=True)
        at = pc()
    total = sum(counts.values())
    print("%s: %.0f instructions, %.1f cache lines %s"
          % (title, total / units, len(lines) / units, unit), file=out)
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


def again(function, times):
    """For step_until(): has @function been called more than @times times?"""
    begun = 0

    def done(at):
        nonlocal begun
        begun += at == where[function]
        return begun > times

    return done


step_until(again("mp1_show", 30), "listing", "a line, without what read() costs", 30)
go_to("mp1_update")
back = int(gdb.parse_and_eval("*(unsigned long *)$sp"))
step_until(lambda at: at == back, "an update", "a process", 201)
# The kernel's own threads come first, and there are fewer than 120 of them.
go_to("task_seq_show", skip=120)
step_until(again("task_seq_show", 30), "BPF's iterator", "a process, without what read() costs", 30)
out.close()
gdb.execute("kill")
