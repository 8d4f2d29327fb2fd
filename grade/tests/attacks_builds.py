# SPDX-License-Identifier: GPL-2.0-only
"""What people hand in honestly, built in the sandbox, and all of a course: needs no machine.

The submissions of submissions/wrong/ go through machines as well; here is what needs none.
"""
from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Dict, List

from attack_base import SOLUTION, Attack
from build import Built
from inside.clone import problem
from kernels import TOP
from sandbox import Limits
from test_intake import zipped

SOURCES = {path.name: path.read_text(encoding="utf-8") for path in SOLUTION.iterdir()}
MODULE = SOURCES["mp1.c"]
PLAIN = "#include <linux/module.h>\nint f_%s(void);\nint f_%s(void) { return 0; }\n" \
        "MODULE_LICENSE(\"GPL\");\n"
MAKEFILE = "obj-m := %s\nall:\n\tmake -C /lib/modules/$(shell uname -r)/build M=$(PWD) modules\n"


class Builds(Attack):
    """From what is handed in to a module and a program"""

    def make(self, files: Dict[str, str]) -> Built:
        built, log = self.build(files, Limits())
        self.log = log
        if "Permission denied" in built.problem:
            self.skipTest("the cache of kernels cannot be read by all")
        self.assertEqual(built.problem, "", log[-1500:])
        return built

    def test_several_modules(self) -> None:
        for other in ("a_helper", "z_helper"):
            built = self.make({"mp1.c": MODULE, f"{other}.c": PLAIN % ("h", "h"),
                               "Makefile": MAKEFILE % f"{other}.o mp1.o"})
            self.assertEqual((built.name, built.fault), ("mp1", ""))
            self.assertIn("of 2 modules, the one that creates a file in /proc was judged: mp1.ko",
                          " ".join(built.notes))

    def test_make_fails_after_the_module(self) -> None:
        makefile = MAKEFILE % "mp1.o" + "\tsudo insmod mp1.ko\n\tgcc -o userapp userapp.c\n"
        built = self.make({**SOURCES, "Makefile": makefile})
        self.assertEqual((built.name, built.by_kbuild), ("mp1", False))
        self.assertIn("sudo: ", built.make_says)
        self.assertTrue(built.has_program, self.log)

    def test_module_that_kbuild_did_not_make(self) -> None:
        """It may have come out of some file: its sources are not seen."""
        moved = "\tmv mp1.ko x && rm .mp1.ko.cmd && mv x mp1.ko\n"
        for more, noted in ((moved, True), ("\tcp mp1.ko copy.ko\n", False)):
            built = self.make({**SOURCES, "Makefile": MAKEFILE % "mp1.o" + more})
            self.assertEqual("kbuild did not make mp1.ko" in " ".join(built.notes), noted)

    def test_program_of_another_name(self) -> None:
        for name in ("app", "mp1_user_app", "test"):
            makefile = MAKEFILE % "mp1.o" + f"\tgcc -o {name} userapp.c\n"
            built = self.make({**SOURCES, "Makefile": makefile})
            self.assertTrue(built.has_program)
            self.assertIn(f"the program was taken to be {name}", built.notes)

    def test_module_and_program_in_folders_of_their_own(self) -> None:
        built = self.make({"a/kernel/Kbuild": "obj-m := mp1.o\n", "a/kernel/mp1.c": MODULE,
                           "a/user/userapp.c": SOURCES["userapp.c"],
                           "a/user/Makefile": "all:\n\tgcc -o userapp userapp.c\n"})
        self.assertEqual((built.name, built.by_kbuild), ("mp1", True))
        self.assertTrue(built.has_program)

    def test_blanks_and_letters_of_all_scripts(self) -> None:
        files = {f"王伟's mp 1/{name}": text for name, text in SOURCES.items()}
        built = self.make({**files, "readme é.txt": ""})
        self.assertEqual((built.name, built.has_program), ("mp1", True))


class UnsafeBuilds(Builds):
    unsafe = True


class Git(unittest.TestCase):
    def test_reasons(self) -> None:
        """What ssh and git say, as a line that says what to do"""
        for said, wanted in (
                ("Host key verification failed.\nfatal: Could not read from remote repository.",
                 "ssh git.x.edu  once"),
                ("git@git.x.edu: Permission denied (publickey).\nfatal: x", "your key"),
                ("fatal: could not read Username for 'https://x'", "a password"),
                ("fatal: Remote branch dev not found in upstream origin", "no branch dev"),
                ("fatal: Could not resolve host: x", "no host git.x.edu"),
                ("fatal: something new", "something new"), ("", "git fails")):
            self.assertIn(wanted, problem(said, "git@git.x.edu:a/b.git", "dev"))


class Course(unittest.TestCase):
    """grade/grade --all, as it runs; without a module, no machine is needed"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top, self.out = Path(folder.name, "export"), Path(folder.name, "out")
        for name in ("王伟", "O'Brien", "submission_7"):
            (self.top / name).mkdir(parents=True)
            (self.top / name / "Makefile").write_text(f"all:\n\t@echo this is {name}; false\n")
        for name in ("submission_metadata.yml", "grades.csv", "._x"):
            (self.top / name).write_text("a: b\n")
        (self.top / "Name_1_assignsubmission_file_").mkdir()
        (self.top / "Name_1_assignsubmission_file_/MP1.ZIP").write_bytes(
            zipped({"Makefile": b"all:\n\t@false\n"}))

    def judge(self) -> "tuple[str, List[List[str]]]":
        done = subprocess.run([sys.executable, "-B", TOP / "grade/grade", "--out", self.out,
                               "--all", self.top], stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(self.out / "points.csv", encoding="utf-8", newline="") as file:
            return done.stdout, list(csv.reader(file))[1:]

    def test_an_export_and_a_resubmission(self) -> None:
        said, rows = self.judge()
        self.assertEqual([row[:2] for row in rows],
                         [[name, "0"] for name in ("Name_1_assignsubmission_file_", "O'Brien",
                                                   "submission_7", "王伟")])
        self.assertIn("left out: submission_metadata.yml", said)
        self.assertIn("left out: grades.csv", said)
        self.assertTrue((self.out / "王伟/report.md").exists())
        logs = sorted(self.out.glob("*/build.log"))
        self.assertEqual(len(logs), 4)
        for log in logs:
            log.write_text("old")
        changed = self.top / "王伟/Makefile"
        changed.write_text("all:\n\t@echo resubmitted; false\n")
        os.utime(changed, (1, 1))  # older than the results
        os.utime(self.top / "O'Brien/Makefile", (2e9, 2e9))  # and this one is of tomorrow
        again, rows_again = self.judge()
        self.assertEqual(rows_again, rows)
        self.assertEqual([log.parent.name for log in logs if log.read_text() != "old"], ["王伟"])


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    cases: List[type] = [Builds, *([UnsafeBuilds] if os.getuid() == 0 else []), Git, Course]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main(verbosity=2)
