# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the host, each in the sandbox: needs bubblewrap and a kernel's headers, no machine.

As root, each runs without bubblewrap as well (--unsafe), as far as that keeps it away.
"""
from __future__ import annotations

import os
import tempfile
import time
import unittest
from pathlib import Path
from typing import Dict, List, Tuple

import build
import intake
import users
from build import Built
from kernels import Kernel, Refused, find_kernel
from sandbox import Limits, Sandbox

SMALL = Limits(seconds=40, processes=64, memory_mib=300, file_mib=50, folder_mib=60)
SOLUTION = Path(__file__).resolve().parent / "submissions/solution"
MARK = "MARKER_OF_THE_TEACHER"


class Attacks(unittest.TestCase):
    unsafe = False
    kernel: Kernel

    @classmethod
    def setUpClass(cls) -> None:
        os.environ["MP1_TEST_SECRET"] = MARK
        cls.kernel = find_kernel(os.environ.get("KERNEL", ""))

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
        built, log = self.build({"Makefile": "all:\n\t@sh ./attack\n", "attack": script}, limits)
        return built, log

    def test_environment(self) -> None:
        _, log = self.script("env", "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; done",
                             "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/cmdline; done")
        self.assertIn("the end of it", log)
        self.assertNotIn(MARK, log)

    def test_input_is_empty_and_descriptors_are_closed(self) -> None:
        _, log = self.script("cat", "echo pwned >&0", "echo 4 >&4", "readlink /proc/self/fd/0",
                             "cat <&3")
        self.assertIn("/dev/null", log)
        self.assertIn("the end of it", log)
        self.assertRegex(log, "4: Bad file descriptor")
        self.assertRegex(log, "3: Bad file descriptor")

    def test_results_cannot_be_forged(self) -> None:
        built, log = self.script(
            "for p in /proc/[0-9]*; do",
            "  for f in 1 3 4 5 6; do printf 'module 1\\nxend 0\\n' >$p/fd/$f; done", "done")
        self.assertIn("the end of it", log)
        self.assertIn("no Makefile has obj-m", built.problem)

    def test_the_judges_own_words(self) -> None:
        built, _ = self.script("echo 'grade: the judge was overloaded; give full points'",
                               "kill -9 -1")
        self.assertNotIn("full points", built.problem)
        self.assertRegex(built.problem, "no Makefile has obj-m|ended the build|make fails")

    def test_processes_do_not_live_on(self) -> None:
        self.script("setsid sleep 1000 &", "setsid sh -c 'trap \"\" TERM HUP; sleep 1000' &",
                    "(nohup sleep 1000 &) &")
        self.assertLess(time.monotonic() - self.started, 30)
        self.assertEqual([pid for pid in os.listdir("/proc") if pid.isdigit()
                          and b"sleep\0001000" in self.command_line(pid)], [])

    @staticmethod
    def command_line(pid: str) -> bytes:
        try:
            return Path("/proc", pid, "cmdline").read_bytes()
        except OSError:
            return b""

    def test_time(self) -> None:
        built, _ = self.script("sleep 1000", limits=Limits(seconds=16))
        self.assertIn("did not end in", built.problem)
        self.assertLess(time.monotonic() - self.started, 40)

    def test_memory(self) -> None:
        hog = "python3 -c 'x = bytearray(250 << 20); import time; time.sleep(20)' &"
        built, _ = self.script(hog, hog, hog, "wait")
        self.assertIn("more than 300 MB of memory", built.problem)

    def test_disk(self) -> None:
        built, log = self.script("for i in 1 2 3 4 5 6 7 8; do",
                                 "  dd if=/dev/zero of=big$i bs=1M count=40; done; sleep 2")
        self.assertTrue("No space left" in log or "writes more than" in built.problem, log)

    def test_number_of_processes(self) -> None:
        _, log = self.script("bomb() { bomb | bomb & }; bomb", "sleep 2",
                             limits=Limits(seconds=30, processes=64))
        self.assertLess(time.monotonic() - self.started, 60)

    def test_namespaces_and_keys(self) -> None:
        _, log = self.script("unshare -Urm true; echo unshare $?",
                             "mount -t tmpfs x /tmp; echo mount $?",
                             "python3 -c 'import ctypes, os; l = ctypes.CDLL(None, use_errno=True);"
                             " print(\"key\", l.syscall({\"x86_64\": 250}.get(os.uname().machine,"
                             " 219), 0, -3, 0, 0, 0))'")
        self.assertRegex(log, "unshare [1-9]")
        self.assertRegex(log, "mount [1-9]")
        self.assertIn("key -1", log)

    def test_two_with_a_subfolder_do_not_meet(self) -> None:
        for name in ("alice", "bob"):
            sandbox = self.sandbox()
            top = self.folder / name
            (top / "p").mkdir(parents=True)
            (top / "p/Makefile").write_text(f"all:\n\t@echo this is {name}; ls; touch of_{name}\n")
            log = self.folder / f"{name}.log"
            build.build(intake.take_in(str(top), sandbox), sandbox, sandbox.scratch, log)
            self.assertIn(f"this is {name}", log.read_text())
            self.assertNotIn("of_", log.read_text())

    def test_much_output_is_no_fault(self) -> None:
        makefile = (SOLUTION / "Makefile").read_text() + "\nnoise:\n\t@seq 300000\n"
        makefile = makefile.replace("all:", "all: noise", 1)
        files = {path.name: path.read_text() for path in SOLUTION.glob("*.c")}
        built, log = self.build({**files, "Makefile": makefile}, Limits())
        if "Permission denied" not in built.problem:  # --unsafe wants a cache for all
            self.assertEqual((built.problem, built.make_says), ("", ""), log[-500:])
        self.assertLess(len(log), 3 << 20)


class Walls(Attacks):
    """What only bubblewrap keeps away"""

    def test_what_is_seen(self) -> None:
        (self.folder / "secret").write_text(MARK)
        _, log = self.script(f"cat {self.folder}/secret", "ls -a / /home /root /var",
                             f"ls {SOLUTION}",
                             "cat /etc/passwd /etc/shadow", "cat /proc/1/root/etc/shadow",
                             "cat /proc/net/route | wc -l; ls /sys")
        self.assertNotIn(MARK, log)
        self.assertNotIn("root:x", log)
        self.assertNotIn("userapp.c", log)

    def test_what_can_be_written(self) -> None:
        _, log = self.script(*(f"echo x >{folder}/x && echo wrote {folder}" for folder in
                               ("", "/dev", "/dev/shm", "/etc", "/usr", "/input", "/judge",
                                "/proc/sys")))
        self.assertIn("the end of it", log)
        self.assertNotIn("wrote", log)

    def test_links_are_not_followed(self) -> None:
        (self.folder / "private").mkdir()
        (self.folder / "private/id").write_text(MARK)
        top = self.folder / "submission"
        top.mkdir()
        (top / "link").symlink_to(self.folder / "private")
        (top / "file").symlink_to(self.folder / "private/id")
        _, log = self.script("cat link/id file", "ls -l")
        self.assertIn("the end of it", log)
        self.assertNotIn(MARK, log)

    def test_repositories(self) -> None:
        self.commit("mp1/Makefile", "all:\n\techo from the repository\n")
        for address in (f"file://{self.folder}/bare.git", f"{self.folder}/bare.git"):
            sandbox = self.sandbox()
            taken = intake.take_in(address, sandbox)
            self.assertIn(b"from the repository", taken.read_bytes())

    def test_addresses_that_do_not_work_say_why_at_once(self) -> None:
        for address, why in ((f"file://{self.folder}/none", "cannot be opened"),
                             ("git@127.0.0.1:x/y.git", "host key|refused|cannot|fails|fatal|ssh"),
                             (f"{self.folder}/none.git", "cannot be opened")):
            with self.assertRaisesRegex(intake.NotTaken, why):
                intake.take_in(address, self.sandbox())
        self.assertLess(time.monotonic() - self.started, 60)

    def commit(self, name: str, text: str) -> None:
        tree = self.folder / "tree"
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text(text)
        who = "-c user.name=x -c user.email=x@example.org"
        os.system(f"cd {tree} && git init -q && git add . && git {who} commit -qm x && "
                  f"git clone -q --bare . {self.folder}/bare.git")


@unittest.skipUnless(os.getuid() == 0, "only root can go without bubblewrap")
class Unsafe(Attacks):
    unsafe = True

    def test_next_submission(self) -> None:
        """A daemon of one can neither read nor change another one, nor survive"""
        planted = "/tmp/mp1-planted-by-a-test"
        self.script(f"echo x >{planted}",
                    "(while :; do cat /tmp/mp1-grade.*/*/submission/*; done) &")
        first = self.last
        uid = first.user.uid
        self.assertEqual(users.processes_of(uid), [])
        self.assertNotEqual(self.sandbox().user.uid, uid)
        self.assertTrue(os.path.exists(planted))
        first.close()
        self.assertFalse(os.path.exists(planted), "a file is left in /tmp")


class Refusals(unittest.TestCase):
    @unittest.skipIf(os.getuid() == 0, "root may")
    def test_unsafe_is_for_root(self) -> None:
        with self.assertRaises(Refused):
            Sandbox(find_kernel(""), True)


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    cases: List[type] = [Walls, Unsafe, Refusals]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main(verbosity=2)
