# SPDX-License-Identifier: GPL-2.0-only
"""The kernel that a submission is built for and runs on, and the project's own folders."""
from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import List

TOP = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mp1"
BUILD = TOP / "build"
# Programs that are used here, and Debian's packages of them
PACKAGES = {"git": "git", "objdump": "binutils", "modinfo": "kmod", "prlimit": "util-linux",
            "make": "make", "gcc": "gcc", "bwrap": "bubblewrap"}


class Refused(Exception):
    """Nothing can be judged; the text says why, and what to do."""


def run_ours(script: str, kernel: str = "", what: str = "") -> str:
    """Run one of the project's own scripts, whose progress lines the user sees."""
    done = subprocess.run(["bash", "-pc", script], stdin=subprocess.DEVNULL, cwd=TOP, text=True,
                          stdout=subprocess.PIPE, env={**os.environ, "KERNEL": kernel}, check=False)
    if done.returncode:
        raise Refused(f"{what or script} failed; see above")
    return done.stdout.strip()


@dataclass(frozen=True)
class Kernel:
    """One of vm/kernel's folders."""

    name: str
    folder: Path
    built: Path

    @property
    def headers(self) -> Path:
        return (self.folder / "build").resolve()

    @property
    def words(self) -> List[str]:
        """What kbuild must be told: no pahole, and perhaps the kernel's own compiler."""
        own = self.folder / "make"
        extra = own.read_text(encoding="utf-8").split("\n") if own.is_file() else []
        return ["CONFIG_DEBUG_INFO_BTF_MODULES=", "CONFIG_PAHOLE_VERSION=0",
                *(word for word in extra if word)]

    def trait(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8").strip()

    @property
    def slow(self) -> int:
        """How many times as long as usual something may take"""
        return int(self.trait("slow"))

    @property
    def finds_bugs(self) -> bool:
        return self.trait("finds") != "-"


def install(*packages: str) -> None:
    """Install what is missing of these, as the project's scripts do."""
    run_ours("MP1_AS_ROOT=yes; set -e; . vm/lib/base.sh; . vm/lib/packages.sh; start; "
             f"need {' '.join(packages)} >&2", what="installing programs")


def install_programs(unsafe: bool) -> None:
    wanted = [package for program, package in PACKAGES.items()
              if not shutil.which(program) and not (unsafe and program == "bwrap")]
    if wanted:
        install(*wanted)


def find_kernel(name: str, unsafe: bool = False) -> Kernel:
    folder = Path(run_ours("vm/kernel", name))
    arch = (folder / "arch").read_text(encoding="utf-8").strip()
    here = run_ours(". vm/lib/kernel.sh && TOP=. host_architecture")
    if arch != here:
        raise Refused(f"kernel {folder.name} is for {arch}, and this computer's compiler, with "
                      f"which submissions are built, is for {here}; take a kernel for {here}")
    install_programs(unsafe)
    return Kernel(folder.name, folder, BUILD / folder.name)


def build_tests(kernel: Kernel) -> None:
    """The program that loads modules and tries them"""
    run_ours("vm/build tests", kernel.name)
