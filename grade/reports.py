# SPDX-License-Identifier: GPL-2.0-only
"""What was found, for the terminal, for the student (report.md) and for Gradescope."""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional

import points
from complaints import Explained
from points import Result, Score
from text import code, markdown


@dataclass
class Report:
    """All that is known of a submission. Everything in it has passed text.clean()."""

    name: str
    score: Score
    notes: List[str] = field(default_factory=list)  # how it was built
    signs: List[str] = field(default_factory=list)  # that a person should read it
    complaints: List[Explained] = field(default_factory=list)  # the kernel's, the first one first
    machines: Dict[str, int] = field(default_factory=dict)  # why a new one was needed: how often
    tampered: str = ""
    has_module: bool = False
    seconds: float = 0

    def headline(self) -> str:
        text = self.score.summary()
        if self.tampered:
            text += f"; the results were tampered with: {self.tampered}"
        if self.complaints:
            first = self.complaints[0]
            text += f"; the kernel complained: {first.what}{first.where}"
        return text


def given(result: Result) -> str:
    criterion = result.criterion
    return {points.OPEN: "open"}.get(result.verdict, points.number(result.given)) \
        + f" / {points.number(criterion.points)}"


def terminal(result: Result) -> str:
    """A criterion's line, and what is to be said about it"""
    criterion = result.criterion
    if criterion.beyond:
        word = {points.MISS: "no", points.PASS: "ok"}.get(result.verdict, result.verdict)
        text = f"{word:<5} {criterion.name:<48}  beyond the assignment\n"
    else:
        text = f"{result.verdict:<5} {criterion.name:<48} {given(result):>8}\n"
    if result.verdict != points.PASS and result.why:
        text += f"      {result.why}\n"
    if result.verdict == points.MISS and result.hint and not criterion.beyond:
        text += f"      Hint: {result.hint}\n"
    return text


def _row(result: Result) -> str:
    why = markdown(result.why)
    if result.verdict == points.PASS:
        why = f"fine; {why}" if why else ""
    elif result.verdict == points.MISS:
        why = f"**{why}** {markdown(result.hint)}"
    return f"| {result.criterion.name} | {given(result)} | {why} |"


def _section(title: str, lines: List[str], before: str = "") -> List[str]:
    if not lines:
        return []
    return ["", f"## {title}", "", *([before, ""] if before else []), *(f"- {x}" for x in lines)]


def _complaint(found: Explained) -> str:
    times = f" ({found.times} times)" if found.times > 1 else ""
    during = f", during {found.during}" if found.during else ""
    return f"{code(found.what)}{markdown(found.where)}{during}{times}. {markdown(found.meaning)}"


def report_md(report: Report) -> str:
    results = list(report.score.in_order())
    lines = [f"# {markdown(report.name)}: {markdown(report.score.summary())}", ""]
    if report.tampered:
        lines += [f"**The results were tampered with: {markdown(report.tampered)}**", ""]
    first = next((c for c in report.complaints if c.where), None)
    if first:
        lines += [f"Look first at this:{markdown(first.where.replace(', in', ''))}. "
                  f"{code(first.what)}. {markdown(first.meaning)}", ""]
    lines += ["| criterion | points | what was found |", "|---|---:|---|"]
    lines += [_row(r) for r in results
              if not r.criterion.beyond and r.verdict != points.NONE]
    if not report.has_module:
        lines += ["", "Without a module, nothing else could be judged."]
    lines += _section("How it was built", [markdown(note) for note in report.notes])
    lines += _section("What the kernel complained about",
                      [_complaint(found) for found in report.complaints])
    lines += _section("Why a new machine was needed",
                      [f"{markdown(why)} ({n} time{'s' * (n > 1)})"
                       for why, n in report.machines.items()],
                      "After each of these, the next criterion was judged in a new machine.")
    lines += _section("Read this one", [markdown(sign) for sign in report.signs],
                      "The module uses what a solution does not need. That costs nothing, but "
                      "somebody should read its source before the points count.")
    beyond = [f"{r.criterion.name.replace('beyond_', '')}: "
              f"{'ok' if r.verdict == points.PASS else 'no'}"
              f"{'. ' + markdown(r.why) if r.why else ''}"
              for r in results if r.criterion.beyond and r.verdict != points.NONE]
    lines += _section("Beyond the assignment", beyond, "For your information, without points:")
    return "\n".join(lines) + "\n"


def _test(result: Result) -> Dict[str, object]:
    criterion = result.criterion
    output = result.why
    if result.verdict == points.MISS and result.hint:
        output += f"\nHint: {result.hint}"
    if result.verdict == points.NONE:
        output = "there is no module to judge"
    if result.verdict == points.OPEN:
        output = f"open, to be judged again: {output}"
    passed = result.verdict == points.PASS or criterion.beyond
    return {"name": criterion.name, "score": float(result.given),
            "max_score": float(criterion.points), "output": output, "output_format": "text",
            "visibility": "visible", "status": "passed" if passed else "failed"}


def results_json(report: Report, digest: str) -> str:
    tests = [_test(result) for result in report.score.in_order()]
    return json.dumps({
        "tests": tests, "output": report_md(report), "output_format": "md",
        "execution_time": round(report.seconds), "visibility": "visible",
        "stdout_visibility": "visible",
        "extra_data": {"name": report.name, "digest": digest, "tampered": report.tampered,
                       "open": float(report.score.open), "signs": report.signs},
    }, ensure_ascii=False, indent=1) + "\n"


def write(report: Report, folder: Path, digest: str) -> None:
    (folder / "report.md").write_text(report_md(report), encoding="utf-8")
    new = folder / "results.json.new"  # whole or not at all: --all resumes by it
    new.write_text(results_json(report, digest), encoding="utf-8")
    new.replace(folder / "results.json")


def read(folder: Path) -> Optional[Dict[str, object]]:
    try:
        found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and isinstance(found.get("tests"), list) else None
    except (OSError, ValueError):
        return None


def restore(report: Report, before: Dict[str, object], digest: str) -> bool:
    """Take the points of an earlier report of the same, if nothing in it is open."""
    extra, tests = before.get("extra_data"), before.get("tests")
    if not isinstance(extra, dict) or extra.get("digest") != digest or extra.get("open"):
        return False
    verdicts = {str(test["name"]): str(test["status"]) for test in tests or []
                if isinstance(test, dict)} if isinstance(tests, list) else {}
    for criterion in report.score.criteria:
        passed = verdicts.get(criterion.name) == "passed"
        report.score.add(Result(criterion, points.PASS if passed else points.MISS))
    report.tampered = str(extra.get("tampered", ""))
    return True
