# SPDX-License-Identifier: GPL-2.0-only
"""Time on a computer that may be busy"""
from __future__ import annotations

import os
import time


def patience() -> int:
    """How many times as long as usual something may take, as busy as this computer is now"""
    return max(1, min(5, round(os.getloadavg()[0] / (os.cpu_count() or 1))))


class Clock:
    """Time without an event, as far as it is the machine's own: not while the host stops it"""

    def __init__(self, group: int, virtual: bool) -> None:
        self.group, self.virtual = group, virtual
        self.spent, self.cpu, self.last = 0.0, self._cpu()[0], time.monotonic()

    def reset(self) -> None:
        self.spent = 0.0

    def seconds(self) -> float:
        if time.monotonic() - self.last < 1:
            return self.spent  # to look at all processes takes a while
        now, (cpu, stopped) = time.monotonic(), self._cpu()
        passed, used = now - self.last, max(0.0, cpu - self.cpu)
        self.last, self.cpu = now, cpu
        if not stopped and passed < 30:  # or we were stopped ourselves
            # A machine that only waits, in which nothing will happen, uses little CPU time.
            self.spent += max(used, passed / 4) if self.virtual else passed
        return self.spent

    def _cpu(self) -> "tuple[float, bool]":
        """CPU time of the process group, and whether one of it is stopped"""
        ticks, stopped = 0, False
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if len(fields) > 12 and int(fields[2]) == self.group:
                ticks += int(fields[11]) + int(fields[12])
                stopped = stopped or fields[0] == "T"
        return ticks / os.sysconf("SC_CLK_TCK"), stopped
