# SPDX-License-Identifier: GPL-2.0-only
"""What a virtual machine reports: the protocol, and its reader.

One line an event, written to /dev/report by vm/guest/init, tests/guest/run and the test program:

    report begin                the machine is up
    mp1 begin NAME              a test begins
    mp1 note TEXT               a remark of the test that has begun
    mp1 took SECONDS            how long it took; its result follows
    mp1 ok NAME
    mp1 FAIL NAME               the next line says why
    mp1 open NAME               likewise: it could not be judged (grade/)
    mp1 skip NAME               likewise
    mp1 why TEXT
    mp1 tainted N               the kernel's flags so far (grade/)
    mp1 damage TEXT             why no more tests can run in this machine (grade/)
    mp1 over                    no more tests follow
    tests N passed N failed N skipped
    tainted N                   the kernel's flags, afterwards
    left: TEXT                  something that should not be there any more
    counts FILE BASE64          gcov's, for quality/coverage
    [...] ...                   the kernel's log
    report end

For other people's modules, grade/ puts a secret word in the place of "mp1".
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import kernel_log

LOADED = ("0", "4096", "12288")  # tainted by nothing, or by an out-of-tree or unsigned module


@dataclass
class Result:
    """How a test ended: ok, FAIL or skip."""
    name: str
    outcome: str = ""
    seconds: float = 0.0
    why: str = ""
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people: the notes, the outcome, the reason."""
        lines = [f"      {note}" for note in self.notes]
        if self.outcome == "skip":
            lines.append(f"skip  {self.name:<62} {self.why}")
        else:
            lines.append(f"{self.outcome:<5} {self.name:<62} {self.seconds:6.2f} s")
            lines += [f"      {line}" for line in self.why.splitlines()]
        return "\n".join(lines)

    def tap(self, number: int) -> str:
        """For programs: a line of the Test Anything Protocol."""
        line = f"{'not ok' if self.outcome == 'FAIL' else 'ok'} {number} - {self.name}"
        if self.outcome == "skip":
            return f"{line} # SKIP {self.why}"
        return line + "".join(f"\n# {text}" for text in self.why.splitlines())


def results(lines: Iterable[str]) -> Iterator[Result]:
    """Each test's result, as soon as the lines tell it."""
    test = Result("")
    for line in lines:
        word, _, rest = line.rstrip("\r\n").partition(" ")
        event, _, text = rest.partition(" ")
        if word != "mp1":
            continue
        if event in ("begin", "skip"):
            test = Result(text, outcome="skip" if event == "skip" else "")
        elif event == "note":
            test.notes.append(text)
        elif event == "took" and re.fullmatch(r"\d+\.\d+", text):
            test.seconds = float(text)
        elif event in ("FAIL", "open"):
            test.outcome = "FAIL"
        elif event in ("ok", "why"):
            test.outcome = test.outcome or event
            test.why = text if event == "why" else ""
            yield test
            test = Result("")
    if test.name:
        test.outcome, test.why = "FAIL", "the machine ended, or was stopped, during this test"
        yield test


def findings(report: str) -> list[str]:
    """Everything that is wrong with a report.

    A missing part is wrong: a check that did not take place must not look like a clean one.
    """
    report = report.replace("\r", "").replace("\0", "").rstrip("\n")
    lines, warned = kernel_log.without_ignored(report)
    wrong = []

    def want(pattern: str, complaint: str) -> None:
        if not any(re.search(pattern, line) for line in lines):
            wrong.append(complaint)

    if not report.startswith("report begin"):
        wrong.append("the report has no beginning")
    if not report.endswith("report end"):
        wrong.append("the report has no end: the machine crashed or hung")
    want("mp1-tests: log begin$", "the beginning of the kernel log is missing")
    want("mp1-tests: log end$", "the end of the kernel log is missing")
    want(r"^tests .*[1-9]\d* (passed|failed|skipped)", "no test came to an end")
    want("^tests .* 0 failed", "tests failed")
    wrong += taint(lines, warned)
    wrong += [line for line in lines if line.startswith("left: ")]
    return wrong + complaints(lines)


def complaints(lines: list[str]) -> list[str]:
    """Each complaint of the kernel, under the test that caused it."""
    text = []
    for complaint in kernel_log.complaints(lines):
        text += [f"the kernel complains, during {complaint.test or 'no test'}:", *complaint.lines]
    return text


def taint(lines: list[str], warned: bool) -> list[str]:
    """The module, if a test loaded it, taints the kernel; any other flag is damage."""
    flags = [line.split()[1] for line in lines if re.match(r"tainted \d+$", line)]
    if warned:  # an ignored warning taints the kernel: 512
        flags = [{"4608": "4096", "12800": "12288"}.get(flag, flag) for flag in flags]
    allowed = LOADED if any(line.startswith("tests 0 passed 0 failed") for line in lines) \
        else LOADED[1:]
    if any(flag in allowed for flag in flags):
        return []
    return [f"tainted {flags[0]}" if flags else "tainted: unknown"]
