# SPDX-License-Identifier: GPL-2.0-only
"""What attacks on the sandbox need: a student's files, with lowered bounds

Which test is which attack that once worked (a submission's name is that of a file in
submissions/wrong/, one with a capital is in attacks.py or attacks_files.py):

  the test ends with status 0       attack_ends_the_test
  userapp writes the test's files   attack_userapp_writes_to_the_tests_files
  the teacher's environment         Attacks.test_environment, and AsAUser
  SUBMISSION= is a command          Files.test_names_are_no_commands
  the terminal is standard input    Attacks.test_input_is_empty_and_descriptors_are_closed
  the same folder for two           Files.test_two_with_a_subfolder_do_not_meet
  daemons, the next submission      Attacks.test_processes_do_not_live_on, Unsafe
  lost lines of the report          attack_disturbs_the_report, test_words.Machine
  userapp is missing, waits, goes   attack_no_userapp, attack_userapp_waits, attack_removes_userapp
  the kernel's log is switched off  attack_silences_the_kernel
  results that take hours to read   test_words.Frames, Files.test_bombs
  links out of the submission       Files.test_links_are_not_followed, test_course
  the disk: hard links, git         test_intake.Pack, Attacks.test_disk, Files.test_bombs_in_git
  escape sequences, HTML            attack_escape_sequences, test_words.Text
  names that destroy the table      test_course, test_words.Text.test_file_names
  memory, in all                    Attacks.test_memory, .test_shared_memory_that_nothing_maps
  a megabyte of output (honest)     Files.test_much_output_is_no_fault
  the keyring                       Attacks.test_namespaces_and_keys
  userapp that only prints          attack_userapp_only_prints
  the report's key is stolen        attack_steals_the_key: possible, but marked "read this one"
  lines in the judge's name         Attacks.test_the_judges_own_words

And what held: reads, writes and namespaces Walls and Attacks.test_namespaces_and_keys; the network
test_sockets; the first process test_nothing_else_can_be_changed_from_inside; kill -9 -1
test_the_judges_own_words; fork bombs test_number_of_processes; names, links and sizes in archives
test_intake.Unpack and Files.test_bombs; members of results test_words.Frames and
attack_made_by_tar; odd modules Files.test_modules_that_are_none; reports without the key
attack_prints_results and test_words.Machine; names of folders test_words.Text."""
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
SOLUTION = Path(__file__).resolve().parents[1] / "submissions/solution"
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

    @classmethod
    def tearDownClass(cls) -> None:
        link = Path("/lib/modules", os.uname().release, "build")
        if cls.unsafe and link.is_symlink() and "/mp1/kernels/" in os.readlink(link):
            link.unlink()  # as Sandbox made it, for a container that is thrown away

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
