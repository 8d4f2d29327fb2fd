# SPDX-License-Identifier: GPL-2.0-only
"""What attacks on the sandbox need: a student's files, with lowered bounds"""
from __future__ import annotations

import functools
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Dict, Tuple

import build
import intake
from build import Built
from kernels import Kernel, find_kernel
from sandbox import Limits, Sandbox

SMALL = Limits(seconds=40, processes=64, memory_mib=300, file_mib=50, folder_mib=60)
SOLUTION = Path(__file__).resolve().parent / "submissions/solution"
MARK = "MARKER_OF_THE_TEACHER"


@functools.lru_cache(None)
def the_kernel() -> Kernel:
    return find_kernel(os.environ.get("KERNEL", ""))


class Attack(unittest.TestCase):
    """What an attack needs"""

    unsafe = False
    kernel: Kernel

    @classmethod
    def setUpClass(cls) -> None:
        os.environ["MP1_TEST_SECRET"] = MARK
        if "MP1_TEST_NO_KERNEL" in os.environ:
            cls.kernel = Kernel("none", Path("/nowhere"), Path("/nowhere"))
        else:
            cls.kernel = the_kernel()

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.started = time.monotonic()

    def sandbox(self, limits: Limits = SMALL) -> Sandbox:
        sandbox = Sandbox(self.kernel, self.unsafe, limits)
        self.addCleanup(sandbox.close)
        self.last = sandbox
        return sandbox

    def build(self, files: Dict[str, str], limits: Limits = SMALL) -> Tuple[Built, str]:
        """Build a submission. Return: what came of it, and its log"""
        top = self.folder / "submission"
        for name, text in files.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sandbox = self.sandbox(limits)
        log = self.folder / "build.log"
        built = build.build(intake.take_in(str(top), sandbox), sandbox, sandbox.scratch, log)
        return built, log.read_text(encoding="utf-8", errors="replace")

    def script(self, *lines: str, limits: Limits = SMALL) -> Tuple[Built, str]:
        """What a Makefile can have done: all lines, whatever fails"""
        script = "\n".join([*lines, "echo the end of it"])
        return self.build({"Makefile": "all:\n\t@sh ./attack\n", "attack": script}, limits)

    def python(self, *lines: str, limits: Limits = SMALL) -> Tuple[Built, str]:
        return self.build({"Makefile": "all:\n\t@python3 -I attack\n",
                           "attack": "\n".join(lines)}, limits)

    def commit(self, files: Dict[str, str], *commands: str) -> Path:
        """A bare repository"""
        tree = self.folder / "tree"
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        who = "-c user.name=x -c user.email=x@example.org"
        script = f"""set -e; cd {tree}; git init -q -b main; git add .; git {who} commit -qm x
                     git clone -q --bare . {self.folder}/bare.git"""
        subprocess.run(["sh", "-c", "\n".join([script, *commands])], check=True)
        return self.folder / "bare.git"
