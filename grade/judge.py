# SPDX-License-Identifier: GPL-2.0-only
"""Judge one submission: take it in, build it, run it, report."""
from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List

import build
import complaints
import intake
import points
import reports
from build import Built
from kernels import Kernel, Refused
from machines import Judged, Machines
from points import MISS, NONE, OPEN, PASS, Criterion, Result, Score
from protocol import Outcome
from reports import Report
from sandbox import Sandbox
from text import clean_lines

BUILDS = "builds_into_one_module"
COMPLAINS = "the_kernel_has_nothing_to_complain_about"
USERAPP = ("userapp_registers_and_prints_the_list", "two_userapps_run_at_once")
BY_ACCIDENT = 512 | 128 | 32 | 16384  # taint flags W, D, B, L: the kernel found something
EXPLAIN = Path(__file__).resolve().parent / "explain.txt"
LIBRARIES = ("libm.so.6", "libgcc_s.so.1", "libstdc++.so.6")
OLDER = "What the compiler does not know may be of an older kernel than this one."
STILL_THERE = "Call proc_remove() in your exit function for what you have created."


def hint_about_building(why: str, about_makefiles: str) -> str:
    if re.search("implicit declaration|has no member|unknown type|undefined!", why):
        return OLDER
    return "" if "error:" in why or "ake" not in why else about_makefiles


@dataclass(frozen=True)
class Options:
    criteria: List[Criterion]
    period: int = 5
    file: str = ""  # that the course asks for, instead of /proc/mp1/status
    resume: bool = False  # what was judged before, with the same options, is not judged again

    def key(self) -> str:
        return repr((self.criteria, self.period, self.file))


class Judge:
    """One submission on its way"""

    def __init__(self, name: str, kernel: Kernel, sandbox: Sandbox, options: Options,
                 out: Path, tests_are_built: Callable[[], None]) -> None:
        self.kernel, self.sandbox, self.options, self.out = kernel, sandbox, options, out
        self.report = Report(name, Score(options.criteria))
        self.tests_are_built = tests_are_built
        self.work = sandbox.scratch / "machines"
        self.work.mkdir(mode=0o700)
        self.built = Built()
        self.lock = threading.Lock()
        self.reasons: Dict[str, str] = {}  # that the terminal has seen
        self.by_name = {criterion.name: criterion for criterion in options.criteria}
        self.rows = complaints.meanings(EXPLAIN)

    def show(self, outcome: Outcome) -> None:
        """Note and print how a criterion came out; two machines do so at once."""
        criterion = self.by_name.get(outcome.name)
        if not criterion:
            return  # it was not asked for
        verdict = OPEN if outcome.verdict == "skip" else outcome.verdict
        hint = criterion.hint if verdict == MISS else ""
        if outcome.why.endswith("is still there"):
            hint = STILL_THERE
        elif outcome.name == BUILDS:
            hint = hint_about_building(outcome.why, hint)
        elif outcome.why.startswith("the machine"):
            hint = "See what the kernel complained about." if "crashed" in outcome.why else ""
        with self.lock:
            result = Result(criterion, verdict, outcome.why, hint)
            if self.report.score.add(result) and verdict != NONE:
                sys.stdout.write(reports.terminal(result.said_once(self.reasons)))
                sys.stdout.flush()

    def run(self, submission: str) -> Report:
        start = time.monotonic()
        digest = ""
        try:
            file = intake.take_in(submission, self.sandbox)
            digest = intake.digest(file, f"{self.kernel.name} {self.options.key()}")
            if self.options.resume and self._is_judged(digest):
                return self.report
            self.built = build.build(file, self.sandbox, self.work, self.out / "build.log")
        except intake.NotTaken as problem:
            if intake.is_address(submission):  # a student's archive may be damaged; but this?
                raise Refused(str(problem)) from None
            self.built = Built(problem=str(problem))
        self._clean_log("build.log")
        self.report.notes, self.report.signs = list(self.built.notes), self.built.signs
        if self.built.problem and BUILDS not in self.by_name:
            self.report.notes.append(self.built.problem)
        elif self.built.make_says and not self.built.fault:
            self.report.notes.append(f"make builds the module, then fails: {self.built.make_says}")
        self.show(Outcome(BUILDS, MISS if self.built.fault else PASS, self.built.fault))
        if self.built.problem:
            for criterion in self.options.criteria:
                self.show(Outcome(criterion.name, NONE))
        else:
            self.report.has_module = True
            self._machines()
        self.report.score.say_once()
        self.report.seconds = time.monotonic() - start
        reports.write(self.report, self.out, digest)
        return self.report

    def _is_judged(self, digest: str) -> bool:
        """Has the same been judged before, to the end? Then its results are the report's."""
        before = reports.read(self.out)
        return bool(before) and reports.restore(self.report, before or {}, digest)

    def _clean_log(self, name: str) -> None:
        log = self.out / name
        if log.exists():
            log.write_text(clean_lines(log.read_bytes()), encoding="utf-8")

    def _machines(self) -> None:
        if not self.built.has_program:
            for name in USERAPP:
                self.show(Outcome(name, MISS, f"there is no program: {self.built.program_says}"))
        self._pack_libraries()
        self.tests_are_built()
        slow = self.kernel.slow
        words = ["oops=panic", "loglevel=7", "printk.devkmsg=on", "slub_debug=FZPU",
                 f"MP1_PERIOD={self.options.period}", f"MP1_PATIENCE={slow}",
                 f"MP1_MODULE={self.built.name}"]
        if self.options.file:
            words.append(f"MP1_FILE={self.options.file}")
        if slow > 1:  # RCU's own limit for a stall is 21 s
            words.append(f"rcupdate.rcu_cpu_stall_timeout={21 * slow}")
        if self.kernel.finds_bugs:
            words += ["mp1-thorough", "kasan_multi_shot"]
        judged: Dict[str, Judged] = {}

        def judge(kind: str, extra: str) -> None:
            left = self.report.score.missing(kind)
            names = [criterion.name for criterion in left]
            worth = {criterion.name for criterion in left if not criterion.beyond}
            started = Machines(self.kernel, self.work, " ".join([*words, extra]).strip(),
                               self.show, self._explain_end)
            judged[kind] = started.judge(kind, names, self.work, worth)

        virtual = threading.Thread(target=judge, args=("virtual", "watchdog_thresh=1"),
                                   daemon=True)
        virtual.start()
        judge("real", "")
        virtual.join()
        for kind in ("virtual", "real"):
            for criterion in self.report.score.missing(kind):
                self.show(Outcome(criterion.name, OPEN, "the judge itself has failed"))
        parts = [judged[kind] for kind in ("virtual", "real") if kind in judged]
        self._judge_log([path for part in parts for path in part.consoles], parts)

    def _pack_libraries(self) -> None:
        """A program that is linked dynamically needs the libraries of this computer."""
        found = subprocess.run(["ldd", "/bin/sh"], stdout=subprocess.PIPE, check=False, text=True)
        paths = re.findall(r"(/\S+)", found.stdout)
        for name in LIBRARIES:
            path = subprocess.run(["gcc", f"-print-file-name={name}"], stdout=subprocess.PIPE,
                                  check=False, text=True).stdout.strip()
            paths += [path] if path.startswith("/") else []
        for path in paths:
            target = self.work / "tree" / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)

    def _read(self, consoles: List[Path]) -> List[complaints.Explained]:
        logs = (path.read_text(encoding="utf-8", errors="replace") for path in consoles)
        found = complaints.complaints(logs, self.built.name, self.by_name)
        places = sorted({complaint.frame for complaint in found if complaint.frame})
        lines = dict(zip(places, build.lines(self.work / "mp1.ko", places, self.sandbox)))
        return [complaints.explain(c, lines.get(c.frame, ""), self.rows) for c in found]

    def _explain_end(self, console: Path, name: str) -> str:
        found = [c for c in self._read([console]) if c.during == name]
        if not found:
            return ("the machine stopped without a word: it hung, restarted, or the test program "
                    "was killed")
        return f"the machine crashed: {found[-1].what}{found[-1].where}"

    def _judge_log(self, consoles: List[Path], judged: List[Judged]) -> None:
        report = self.report
        report.complaints = self._read(consoles)
        for part in judged:
            report.tampered = report.tampered or part.tampered
            for why, times in part.damage.items():
                report.machines[why] = report.machines.get(why, 0) + times
        flags = sum(part.flags & BY_ACCIDENT for part in judged)
        number = len(report.complaints)
        if number:
            first = report.complaints[0]
            plural = "" if number == 1 else f" in {number} ways"
            self.show(Outcome(COMPLAINS, MISS, f"it complained{plural}; first: "
                                               f"{first.what}{first.where}"))
        elif flags:
            self.show(Outcome(COMPLAINS, MISS, "its taint flags say that it has complained, but "
                                               "its log does not: was the log switched off?"))
        elif all(r.verdict == OPEN for r in report.score.in_order()
                 if r.criterion.machine in ("virtual", "real")):
            self.show(Outcome(COMPLAINS, OPEN, "no machine ran"))
        else:
            self.show(Outcome(COMPLAINS, PASS))
        data = b"".join(path.read_bytes() for path in consoles)
        (self.out / "console.log").write_text(clean_lines(data, 8_000_000), encoding="utf-8")
