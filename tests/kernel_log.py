# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complains of in its log, and which test was running at the time.

complaints/any has the patterns, complaints/ignore what is not mp1's. The test program writes
"mp1-tests: begin NAME" to the log before each test, tests/guest/run "mp1-tests: end" at the end.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent / "complaints"
MARK = re.compile(r"mp1-tests: (?:begin (\w+)|end$)")
RELEASE = re.compile(r"Linux version (\d+)\.(\d+)")
RACE_ENDS = "Reported by Kernel Concurrency Sanitizer"
CALLS = 5  # a race this many calls below the module is still the module's
LINES, MOST = 21, 5  # shown of a complaint, and complaints


@dataclass(frozen=True)
class Complaint:
    test: str  # which was running, or "" between tests
    lines: tuple[str, ...]


def rows(name: str) -> list[str]:
    """The lines of a table, without comments."""
    text = (HERE / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


ANY = re.compile("|".join(f"(?:{row})" for row in rows("any")))


def ignored(kind: str, log: str) -> re.Pattern[str] | None:
    """What is to be ignored of a kind (warning, race) on the kernel that wrote the log."""
    found = RELEASE.search(log)
    release = tuple(int(number) for number in found.groups()) if found else (0, 0)
    patterns = []
    for row in rows("ignore"):
        its_kind, pattern, until, _ = re.split(r"\s*@\s*", row, maxsplit=3)
        last = tuple(int(number) for number in until.split(".")[:2]) if until != "-" else None
        if its_kind == kind and (last is None or release <= last):
            patterns.append(pattern)
    return re.compile("|".join(patterns)) if patterns else None


def is_ours(race: list[str], not_ours: re.Pattern[str] | None, module: str) -> bool:
    """A data race is the module's if one side of it is in the module, or a few calls below it.

    The kernel has races far below, under trace events and memory cgroups. Frames below asm_...
    are of code that an interrupt or a fault interrupted: they do not count.
    """
    if f" {module}_" in race[0]:
        return True
    if not_ours and not_ours.search(race[0]):
        return False
    depth = 0
    for line in race:
        if re.search(r" of \d+ bytes by ", line):
            depth = 0
        if re.search(r" asm_[a-z_]*\+0x", line):
            depth = 99
        elif "+0x" in line:
            depth += 1
        if depth <= CALLS and re.search(rf"\+0x.* \[{module}\]", line):
            return True
    return False


def without_ignored(log: str, module: str = "mp1") -> tuple[list[str], bool]:
    """The log's lines without what is to be ignored. Was there an ignored warning?"""
    warning, not_ours = ignored("warning", log), ignored("race", log)
    kept: list[str] = []
    race: list[str] = []
    warned = False
    for line in log.splitlines():
        if warning and warning.search(line):
            warned = True
        elif "BUG: KCSAN: " in line:
            kept += race  # the last one was cut off
            race = [line]
        elif race and (MARK.search(line) or ANY.search(line)):  # between the lines of a report
            kept.append(line)
        elif race:
            race.append(line)
            if RACE_ENDS in line:
                kept += race if is_ours(race, not_ours, module) else []
                race = []
        else:
            kept.append(line)
    return kept + race, warned


def complaints(lines: list[str]) -> list[Complaint]:
    """The first complaints among the lines of a log."""
    found: list[Complaint] = []
    test, until = "", 0
    for number, line in enumerate(lines):
        mark = MARK.search(line)
        if mark:
            test, until = mark[1] or "", number
        if number >= until and ANY.search(line) and len(found) < MOST:
            until = number + LINES
            marks = (n for n in range(number, len(lines)) if MARK.search(lines[n]))
            found.append(Complaint(test, tuple(lines[number:min(until, next(marks, until))])))
    return found
