# SPDX-License-Identifier: GPL-2.0-only
"""Virtual machines: boot one with vm/boot, follow its report, judge how it ended."""
from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import kernel_log
import report
from report import Result

TOP = Path(__file__).resolve().parent.parent
STALL = 60  # seconds that a CPU may be stuck: on a busy host, 21 (the default) is too few
POLL = 0.2


def output(*command: str | Path) -> str:
    """What a command prints; it explains its own failure."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise SystemExit(1) from error
    return done.stdout.strip()


@dataclass(frozen=True)
class Host:
    """The kernel to test on, and what was built for it."""
    kernel: Path
    built: Path
    work: Path
    release: str
    slow: int
    finds_bugs: bool
    is_default: bool

    @staticmethod
    def prepare(kernel: Path) -> Host:
        """Build for a kernel."""
        built = Path(output(TOP / "vm/build"))
        traits = {name: (kernel / name).read_text().strip()
                  for name in ("release", "slow", "finds")}
        return Host(kernel, built, built / "tests", traits["release"], int(traits["slow"]),
                    traits["finds"] != "-", not os.environ.get("KERNEL"))

    def lacks(self, need: str) -> str:
        """Why a machine that needs this cannot run, or nothing."""
        if need.isdigit():
            meminfo = Path("/proc/meminfo").read_text(encoding="utf-8")
            available = re.search(r"MemAvailable: +(\d+)", meminfo)
            if not available or int(available[1]) < int(need) << 10:
                return f"needs {need} MiB of available memory"
        elif need != "-":
            native = output("bash", "-pc",
                            '. "$0/vm/lib/kernel.sh" && TOP=$0 host_architecture', TOP)
            if native != (self.kernel / "arch").read_text().strip():
                return "needs programs of this computer, which has another architecture"
        return ""


@dataclass(frozen=True)
class Machine:
    """A line of the table."""
    name: str
    when: str
    limit: int
    factor: int
    needs: str
    boot: list[str]
    runs: list[str]

    @staticmethod
    def parse(row: str) -> Machine:
        name, when, limit, needs, boot, runs = row.split(maxsplit=5)
        seconds, _, factor = limit.partition("*")
        options = [] if boot == "-" else boot.split(",")
        return Machine(name, when, int(seconds), int(factor or 1), needs, options, runs.split())

    def boots_on(self, host: Host) -> bool:
        """Does it boot without being named?"""
        return self.when == "always" or (self.when == "default" and host.is_default) or \
            (self.when in ("finders", "quick") and (self.when == "finders") == host.finds_bugs)

    def topics(self) -> list[str]:
        """The topics or tests that run in it, unless that is left open."""
        return self.runs[1:] if self.runs[0] == "tests" and self.runs[1:] != ["*"] else []

    def with_topics(self, topics: list[str]) -> Machine:
        return replace(self, runs=["tests", *topics]) if self.runs[0] == "tests" else self


def boot_command(machine: Machine, host: Host) -> list[str | Path]:
    slow = host.slow * machine.factor
    words = [f"MP1_PATIENCE={slow}"]  # the kernel passes on to programs what it does not know
    words += [f"{name}={os.environ[name]}" for name in ("MP1_SEED", "MP1_STOP", "MINUTES")
              if name in os.environ]
    words.append(f"rcupdate.rcu_cpu_stall_timeout={STALL * slow}")
    words.append(f"watchdog_thresh={min(STALL, STALL * slow // 2)}")  # a lockup takes twice that
    if host.finds_bugs:
        words += ["mp1-thorough", "kasan_multi_shot"]
    if "MP1_STOP" in os.environ:
        words.append("loglevel=5")  # complaints, as they come
    files: list[str | Path] = [host.work / "mp1-tests"]
    if machine.needs.islower():
        files.append(host.work / machine.needs)
        output(TOP / "tests/pack", machine.needs, files[-1])
    return [TOP / "vm/boot", "-b", host.built, "-r", host.work / f"{machine.name}.report",
            *machine.boot, "-p", " ".join(words), "-a", " ".join(machine.runs),
            TOP / "tests/guest/run", *files]


def complained(console: Path) -> list[str]:
    """What the kernel has complained of on the console so far."""
    text = console.read_text(encoding="utf-8", errors="replace")
    return report.complaints(kernel_log.without_ignored(text)[0])


def follow(path: Path, process: subprocess.Popen[bytes], limit: float,
           stop: Callable[[], bool]) -> Iterator[str]:
    """The lines of a report as they come, until the machine ends, stops, or makes no progress.

    vm/boot sees to it that the machine comes up; until then, there is no limit.
    """
    last, line = float("inf"), ""
    with path.open(encoding="utf-8", errors="replace") as file:
        while True:
            ended = process.poll() is not None
            line += file.readline()
            if line.endswith("\n"):
                yield line
                last, line = time.monotonic(), ""
            elif ended or time.monotonic() > last + limit or stop():
                return
            else:
                time.sleep(POLL)


RUNNING: set[int] = set()  # the machines, each a process group of its own


def end(pid: int) -> None:
    """End what still runs of a machine, all of it."""
    RUNNING.discard(pid)
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass


def end_all(number: int, _: object) -> None:
    """For signals: end all machines, and this program."""
    for pid in list(RUNNING):
        end(pid)
    os._exit(128 + number)


def run(machine: Machine, host: Host, show: Callable[[Result], None]) -> list[Result]:
    """Boot a machine, and show each result as it comes. Return: all of them."""
    lacks = host.lacks(machine.needs)
    if lacks:
        results = [Result(machine.name, "skip", why=lacks)]
        show(results[0])
        return results
    if machine.runs[0] == "host":
        return script(machine, host, show)
    start = time.monotonic()
    results = []
    path, console = (host.work / f"{machine.name}.{kind}" for kind in ("report", "console"))
    path.write_bytes(b"")
    first = "MP1_STOP" in os.environ  # the first failure, or complaint of the kernel, ends it
    with console.open("wb") as out, \
         subprocess.Popen(boot_command(machine, host), stdin=subprocess.DEVNULL, stdout=out,
                          stderr=out, start_new_session=True) as process:
        RUNNING.add(process.pid)
        try:
            lines = follow(path, process, machine.limit * machine.factor * host.slow,
                           lambda: first and bool(complained(console)))
            for result in report.results(lines):
                results.append(result)
                show(result)
        finally:
            end(process.pid)
    results.append(verdict(machine, path, console, time.monotonic() - start, results))
    show(results[-1])
    return results


def verdict(machine: Machine, path: Path, console: Path, seconds: float,
            results: list[Result]) -> Result:
    """How the machine itself ended: as it should, or what is wrong."""
    text = path.read_text(encoding="utf-8", errors="replace")
    wrong = report.findings(text)
    if machine.runs[0] == "broken":
        noticed = wrong and text.startswith("report begin") and "was not loaded" not in text
        if machine.name == "hang":
            noticed = noticed and "report end" not in text
        return Result(f"judge_notices_{machine.name}", "ok" if noticed else "FAIL", seconds)
    name = f"after_{machine.name}_the_kernel_is_sound_and_nothing_is_left"
    if wrong == ["tests failed"] and any(result.outcome == "FAIL" for result in results):
        wrong = []
    if wrong and "report end" not in text:
        wrong += complained(console)
    if wrong:
        tail = console.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
        wrong += [f"the report is {path}; the end of {console}:", *tail]
    return Result(name, "FAIL" if wrong else "ok", seconds, "\n".join(f"| {w}" for w in wrong))


def script(machine: Machine, host: Host, show: Callable[[Result], None]) -> list[Result]:
    """A script of the host prints lines as Result.text() does."""
    results = []
    with subprocess.Popen([TOP / machine.runs[1]], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, start_new_session=True) as process:
        RUNNING.add(process.pid)
        timer = threading.Timer(machine.limit * host.slow, end, [process.pid])
        timer.start()
        assert process.stdout
        for line in process.stdout:
            found = re.match(r"(ok|FAIL|skip) +(\S+) *(?:([\d.]+) s)?(.*)", line)
            if found:
                results.append(Result(found[2], found[1], float(found[3] or 0), found[4]))
                show(results[-1])
            elif results and results[-1].outcome == "FAIL":
                print(line, end="", flush=True)
        timer.cancel()
        RUNNING.discard(process.pid)
    if process.returncode and not any(result.outcome == "FAIL" for result in results):
        results.append(Result(machine.name, "FAIL", why=f"{machine.runs[1]} failed"))
        show(results[-1])
    return results
