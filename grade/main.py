# SPDX-License-Identifier: GPL-2.0-only
"""The command grade/grade: its options, and what it does in which order"""
from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
import traceback
from pathlib import Path
from typing import List

import intake
import machines
import points
from course import ARCHIVE, judge_all
from judge import Judge, Options
from kernels import BUILD, TOP, Kernel, Refused, build_tests, find_kernel
from sandbox import Sandbox
from text import clean, clean_lines, file_name

HELP = """Judge a solution of the assignment: a folder, an archive, or a git address. It is built
in a sandbox and run in virtual machines. Writes report.md and results.json (for Gradescope) to
build/grade/NAME. docs/grading.md tells more."""
ENDS = "Exit status: 0 if all points were given, 1 if not, 2 if nothing could be judged."


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(prog="grade/grade", description=HELP, epilog=ENDS)
    add = parse.add_argument
    add("submission", nargs="?", metavar="SUBMISSION")
    add("--all", metavar="FOLDER", help="judge each submission in a folder, and write a table of "
        "them; what was judged before is not judged again")
    add("--kernel", metavar="NAME", default=os.environ.get("KERNEL", ""),
        help="see vm/kernel; debug finds the most, and takes longer")
    add("--only", metavar="NAME", action="append", default=[],
        help="judge only this criterion (may be repeated)")
    add("--period", metavar="SEC", type=int, choices=range(1, 31), default=5,
        help="the period between updates that your course asks for (default: 5)")
    add("--file", metavar="PATH", default="",
        help="the file that your course asks for (default: /proc/mp1/status)")
    add("--points", metavar="FILE", default=str(TOP / "grade/points.txt"),
        help="what each criterion is worth (default: grade/points.txt)")
    add("--seconds", metavar="SEC", type=int, default=machines.WALL, help="begin no new virtual "
        f"machine after this time (default: {machines.WALL})")
    add("--out", metavar="FOLDER", help="where to write")
    add("--unsafe", action="store_true", help="without bubblewrap; only for root, in a container "
        "that is thrown away")
    add("--criteria", action="store_true", help="print what is judged, as a table")
    add("--resume", action="store_true", help=argparse.SUPPRESS)  # for --all
    add("--prepared", nargs=3, help=argparse.SUPPRESS)  # likewise: a Kernel's fields
    return parse


def print_criteria(criteria: List[points.Criterion]) -> None:
    print("| criterion | points |\n| --- | ---: |")
    for criterion in criteria:
        print(f"| {criterion.name} | {points.number(criterion.points)} |")


def prepared(fields: List[str]) -> Kernel:
    return Kernel(fields[0], Path(fields[1]), Path(fields[2]))


def judge_one(options: argparse.Namespace, criteria: List[points.Criterion]) -> int:
    submission: str = options.submission
    address = intake.is_address(submission)
    if not address and not os.path.exists(submission):
        raise Refused(f"there is no {submission}; a git address begins with https:// or git@")
    name = os.path.basename((submission if address else os.path.abspath(submission)).rstrip("/"))
    name = clean(ARCHIVE.sub("", name), 100) or "submission"
    out = Path(options.out or BUILD / "grade" / file_name(name)).resolve()
    kernel = (prepared(options.prepared) if options.prepared
              else find_kernel(options.kernel, options.unsafe))
    machines.WALL = options.seconds
    sandbox = Sandbox(kernel, options.unsafe)
    pool = ThreadPoolExecutor(1)
    # while the submission is built
    tests = pool.submit(lambda: None if options.prepared else build_tests(kernel))
    try:
        sandbox.check()
        out.mkdir(parents=True, exist_ok=True)
        chosen = Options(criteria, options.period, options.file, options.resume)
        report = Judge(name, kernel, sandbox, chosen, out, tests.result).run(submission)
        print(f"   the report: {out}/report.md", file=sys.stderr)
        print(report.headline())
        return 0 if report.score.complete and not report.tampered else 1
    finally:
        machines.end_all()
        sandbox.close()


def main(arguments: List[str]) -> int:
    parse = parser()
    for stream in (sys.stdout, sys.stderr):  # names may have letters that the terminal has not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    options = parse.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if sum(map(bool, (options.submission, options.all, options.criteria))) != 1:
        parse.error("give one submission, or --all and a folder")
    if not re.fullmatch(r"(/proc(/[\w.-]+)+)?", options.file):
        parse.error("--file takes a path in /proc")
    try:
        criteria = points.choose(points.read_points(Path(options.points)), options.only)
        if options.criteria:
            print_criteria(criteria)
            return 0
        if options.all:
            folder = Path(options.all)
            out = Path(options.out or BUILD / "grade" / file_name(folder.resolve().name)).resolve()
            kernel = find_kernel(options.kernel, options.unsafe)
            build_tests(kernel)
            command = [sys.executable, str(TOP / "grade/grade"),
                       "--prepared", kernel.name, str(kernel.folder), str(kernel.built),
                       "--period", str(options.period), "--file", options.file,
                       "--seconds", str(options.seconds),
                       "--points", str(Path(options.points).resolve()),
                       *(["--unsafe"] if options.unsafe else []),
                       *(word for name in options.only for word in ("--only", name))]
            return judge_all(folder, out, command)
        return judge_one(options, criteria)
    except (Refused, points.BadPoints, OSError) as problem:
        print(f"grade: {clean(str(problem))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception:  # a fault of the judge itself, whose words may be a student's
        print(clean_lines(traceback.format_exc().encode()), file=sys.stderr)
        return 2
