# SPDX-License-Identifier: GPL-2.0-only
"""All submissions in a folder, several at once, and the table of their points"""
from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import reports
from kernels import Refused
from text import cell, clean, file_name, markdown

ARCHIVE = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz)|7z|rar|git)$", re.IGNORECASE)
MAGIC = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
MIB_EACH = 3000  # two machines
Row = Mapping[str, object]


@dataclass(frozen=True)
class Entry:
    path: Path
    shown: str
    target: Path


def is_archive(path: Path) -> bool:
    if ARCHIVE.search(path.name):
        return True
    try:
        with open(path, "rb") as file:
            return file.read(8).startswith(MAGIC)
    except OSError:
        return False


def entries(folder: Path, out: Path) -> Tuple[List[Entry], List[str]]:
    """The submissions, and why other entries are none"""
    found: List[Entry] = []
    left_out: List[str] = []
    names = {path.name for path in folder.iterdir()}
    for path in sorted(folder.iterdir()):
        shown = clean(path.name, 100)
        if path.name.startswith("."):
            continue
        if path.is_symlink():
            left_out.append(f"{shown}: a symbolic link, which is not followed here")
        elif not path.is_dir() and not (path.is_file() and is_archive(path)):
            left_out.append(f"{shown}: neither a folder nor an archive")
        else:
            name = ARCHIVE.sub("", path.name)
            if any(name in (other, ARCHIVE.sub("", other)) for other in names - {path.name}):
                name = path.name
            found.append(Entry(path, shown, out / file_name(name)))
    return found, left_out


def jobs() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        available = int(re.findall(r"MemAvailable:\s+(\d+)", file.read())[0]) >> 10
    return max(1, min(os.cpu_count() or 1, available // MIB_EACH))


def judge_all(folder: Path, out: Path, command: Sequence[str]) -> int:
    if not folder.is_dir():
        raise Refused(f"there is no folder {clean(str(folder))}")
    out.mkdir(parents=True, exist_ok=True)
    found, left_out = entries(folder, out)
    for line in left_out:
        print(f"   left out: {line}", flush=True)
    if not found:
        raise Refused(f"there is no submission in {clean(str(folder))}")

    def judge(number: int, entry: Entry) -> Optional[Row]:
        entry.target.mkdir(exist_ok=True)
        with open(entry.target / "judge.log", "wb") as log:
            words = ["--resume", "--out", str(entry.target), "--", str(entry.path)]
            status = subprocess.run([*command, *words], stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=subprocess.STDOUT, check=False).returncode
        lines = (entry.target / "judge.log").read_text(encoding="utf-8", errors="replace")
        last = clean(lines.rstrip("\n").rpartition("\n")[2], 300)
        print(f"   {number} of {len(found)}: {entry.shown}: {last}", flush=True)
        # Otherwise the results that are there are those of an earlier time.
        return reports.read(entry.target) if status in (0, 1) else None

    with ThreadPoolExecutor(jobs()) as pool:
        done = [pool.submit(judge, number, entry) for number, entry in enumerate(found, 1)]
        try:
            rows = [(entry.shown, future.result()) for entry, future in zip(found, done)]
        except KeyboardInterrupt:  # those that run have heard it as well
            pool.shutdown(cancel_futures=True)
            raise
    tabulate(rows, left_out, out)
    print(f"   the table: {out}/points.md and points.csv")
    return 0 if all(row for _, row in rows) else 1


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _tests(row: Row) -> List[Dict[str, object]]:
    tests = row.get("tests")
    return [test for test in tests if isinstance(test, dict)] if isinstance(tests, list) else []


def _marks(row: Row) -> str:
    """What a teacher must know before the points count"""
    extra = row.get("extra_data")
    extra = extra if isinstance(extra, dict) else {}
    marks = []
    if extra.get("tampered"):
        marks.append("the results were tampered with")
    if extra.get("signs"):
        marks.append("read this one")
    return ", ".join(marks)


def _open(row: Row) -> float:
    extra = row.get("extra_data")
    return _number(extra.get("open")) if isinstance(extra, dict) else 0.0


def tabulate(rows: Sequence[Tuple[str, "Row | None"]], left_out: Sequence[str], out: Path) -> None:
    names: List[str] = []
    for _, row in rows:
        names += [str(t["name"]) for t in _tests(row or {}) if str(t["name"]) not in names]
    lines = ["| submission | points | open | missed | to know |", "|---|---:|---:|---|---|"]
    with open(out / "points.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, quoting=csv.QUOTE_ALL)  # some split at semicolons or blanks
        table.writerow(["submission", "points", "open", "to know", *names])
        for shown, row in rows:
            if row is None:
                table.writerow([cell(shown), "", "", "not judged: see judge.log"])
                lines.append(f"| {markdown(shown)} | | | | not judged: see judge.log |")
                continue
            tests = {str(test["name"]): test for test in _tests(row)}
            total = sum(_number(test.get("score")) for test in tests.values())
            scores = [f"{_number(tests[n].get('score')):g}" if n in tests else "" for n in names]
            table.writerow([cell(shown), f"{total:g}", f"{_open(row):g}", _marks(row), *scores])
            missed = [name for name, test in tests.items() if test.get("status") == "failed"]
            lines.append(f"| {markdown(shown)} | {total:g} | {_open(row):g} | {', '.join(missed)} "
                         f"| {_marks(row)} |")
    if left_out:
        lines += ["", "Left out:", "", *(f"- {markdown(line)}" for line in left_out)]
    (out / "points.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
