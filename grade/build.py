# SPDX-License-Identifier: GPL-2.0-only
"""From what was handed in to a module and a program, or to the reason why there is none"""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from sandbox import Sandbox
from text import clean

SIZES = {"module": 50 << 20, "program": 50 << 20, "said": 1 << 20}
ENDED = {
    "slow": "building it did not end in {seconds} seconds",
    "memory": "building it takes more than {memory} MB of memory",
    "disk": "building it writes more than {disk} MB, or far too many files",
    "killed": "its Makefile has ended the build from outside, or filled its folder",
}


@dataclass
class Built:
    """What the sandbox gave back. Its words are the student's: cleaned, and shown as such."""

    problem: str = ""
    notes: List[str] = field(default_factory=list)
    make_says: str = ""  # why their make failed
    by_kbuild: bool = False
    program_says: str = ""
    has_program: bool = False
    name: str = ""  # of the module
    signs: List[str] = field(default_factory=list)

    @property
    def fault(self) -> str:
        """What the criterion about building misses"""
        if self.problem:
            return self.problem
        if self.by_kbuild:
            return ("make does not build the module here, so kbuild built it from your sources; "
                    f"make says: {self.make_says}")
        return ""


def build(submission: Path, sandbox: Sandbox, folder: Path, log: Path) -> Built:
    """Put mp1.ko and userapp into a folder."""
    limits = sandbox.limits
    ran = sandbox.run("build", [str(sandbox.kernel.folder / "build"), str(limits.seconds - 10),
                                *sandbox.kernel.words], {"submission": submission}, SIZES)
    log.write_bytes(ran.log)
    built = understand(ran.frames.get("said", b""))
    built.notes[:0] = sandbox.notes
    if ran.ended:
        built.problem = ENDED[ran.ended].format(seconds=limits.seconds, memory=limits.memory_mib,
                                                disk=limits.folder_mib)
    if not built.problem and "module" not in ran.frames:
        built.problem = ENDED["killed"]
    if built.problem:
        return built
    keep(folder / "mp1.ko", ran.frames["module"], 0o644)
    if ran.frames.get("program"):
        keep(folder / "userapp", ran.frames["program"], 0o755)
        built.has_program = True
    elif not built.program_says:
        built.program_says = "make makes no program"
    look(built, folder / "mp1.ko", sandbox)
    return built


def keep(path: Path, data: bytes, mode: int) -> None:
    path.write_bytes(data)
    path.chmod(mode)


def understand(data: bytes) -> Built:
    try:
        told = json.loads(data)
        said: Mapping[str, object] = told["said"]
        notes: Sequence[object] = told["notes"]
        return Built(
            problem=clean(str(said.get("problem", "")), 400),
            notes=[clean(str(note), 200) for note in notes[:10]],
            make_says=clean(str(said.get("make", "")), 400),
            by_kbuild=said.get("by") == "kbuild",
            program_says=clean(str(said.get("program", "")), 400))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Built(problem="" if data else ENDED["killed"])


def look(built: Built, module: Path, sandbox: Sandbox) -> None:
    ran = sandbox.run("look", [], {"mp1.ko": module}, {"facts": 1 << 20})
    try:
        facts: Dict[str, object] = json.loads(ran.frames["facts"])
        signs = facts["signs"]
        assert isinstance(signs, list)
        built.name = str(facts["name"])
        built.signs = [clean(str(sign), 200) for sign in signs[:20]]
    except (KeyError, ValueError, TypeError, AssertionError, RecursionError):
        built.signs = ["it cannot be looked at; see build.log"]
    if not re.fullmatch(r"[A-Za-z0-9_]{1,55}", built.name):
        built.problem = "the module has no name, or an odd one"


def lines(module: Path, places: Sequence[str], sandbox: Sandbox) -> List[str]:
    """The line of the source for each place, or nothing"""
    if not places:
        return []
    ran = sandbox.run("look", list(places), {"mp1.ko": module}, {"lines": 1 << 20})
    try:
        found = json.loads(ran.frames["lines"])
        names = [clean(str(line), 100) for line in found]
    except (KeyError, ValueError, TypeError, RecursionError):
        names = []
    return names if len(names) == len(places) else [""] * len(places)
