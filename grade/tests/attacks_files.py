# SPDX-License-Identifier: GPL-2.0-only
"""What is handed in, by people with odd files and by people with odd intentions

As attacks.py: with bubblewrap, and, as root, without it. No machine is needed.
"""
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
import unittest
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import List

import build
import intake
from attack_base import MARK, SMALL, SOLUTION, Attack
from build import Built
from kernels import TOP
from sandbox import Limits
from test_intake import zipped

EMPTY = "make() { gcc -c -x c /dev/null -o $1; }\n"
SIGNATURE = r"\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\1\0"
# How a mp1.ko comes about, and what is said of it
MODULES = (
    ("echo no ELF >mp1.ko", "no Makefile has obj-m"),
    ("mkfifo mp1.ko; mkfifo x.c; ln -s /etc/hostname y.ko", "no Makefile has obj-m"),
    (f"printf '{SIGNATURE}' >mp1.ko", "no name, or an odd one"),
    (f"{{ printf '{SIGNATURE}'; head -c 40000000 /dev/urandom; }} >mp1.ko", "no name, or an odd"),
    (f"{{ printf '{SIGNATURE}\\76\\0'; head -c 60 /dev/zero | tr '\\0' '\\377'; }} >mp1.ko",
     "no name, or an odd one"),
    (f"{EMPTY} make a.o; printf 'name=../../x\\0' >m; objcopy --add-section .modinfo=m a.o mp1.ko",
     "no name, or an odd one"),
    (f"{EMPTY} make mp1.ko; truncate -s 49M mp1.ko; (sleep 1; rm mp1.ko) &", "no name, or an odd"),
    (f"{EMPTY} make mp1.ko; truncate -s 2000M mp1.ko; ls -l mp1.ko", "no Makefile|filled|no name"),
)


class Files(Attack):
    """Folders, archives, modules"""

    def hand_in(self, what: Path, limits: Limits = SMALL) -> "tuple[Built, str]":
        sandbox = self.sandbox(limits)
        log = self.folder / "log"
        built = build.build(intake.take_in(str(what), sandbox), sandbox, sandbox.scratch, log)
        return built, log.read_text(errors="replace")

    def test_as_the_judge_does_it(self) -> None:
        """Its folder is closed to all others, and yet the module can be looked at"""
        sandbox = self.sandbox(Limits())
        work = sandbox.scratch / "machines"
        work.mkdir(mode=0o700)
        taken = intake.take_in(str(SOLUTION), sandbox)
        built = build.build(taken, sandbox, work, self.folder / "log")
        if "Permission denied" in built.problem or "No such file" in built.problem:
            self.skipTest("the cache of kernels cannot be read by all")
        self.assertEqual((built.problem, built.name, built.has_program), ("", "mp1", True))
        if sandbox.user.uid:
            self.assertEqual(taken.stat().st_mode & 0o777, 0o640)

    def test_two_with_a_subfolder_do_not_meet(self) -> None:
        for name in ("alice", "bob"):
            top = self.folder / name
            (top / "p").mkdir(parents=True)
            (top / "p/Makefile").write_text(f"all:\n\t@echo this is {name}; ls; touch of_{name}\n")
            _, log = self.hand_in(top)
            self.assertIn(f"this is {name}", log)
            self.assertNotIn("of_", log)

    def test_much_output_is_no_fault(self) -> None:
        makefile = (SOLUTION / "Makefile").read_text() + "\nnoise:\n\t@seq 300000\n"
        makefile = makefile.replace("all:", "all: noise", 1)
        files = {path.name: path.read_text() for path in SOLUTION.glob("*.c")}
        built, log = self.build({**files, "Makefile": makefile}, Limits())
        if "Permission denied" not in built.problem:  # --unsafe wants a cache for all
            self.assertEqual((built.problem, built.make_says), ("", ""), log[-500:])
        self.assertLess(len(log), 3 << 20)

    def test_modules_that_are_none(self) -> None:
        for script, why in MODULES:
            with self.subTest(script):
                built, log = self.script(script, limits=Limits(seconds=40))
                self.assertIn("the end of it", log)
                self.assertRegex(built.problem, why)
                shutil.rmtree(self.folder / "submission")

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

    def test_odd_files_are_no_fault(self) -> None:
        top = self.folder / "submission"
        deep = top.joinpath(*["d"] * 300)
        deep.mkdir(parents=True)
        for name in (b"new\nline", b"\xff\xfe.c", b"-rf", "王伟.h".encode(), b"$(touch pwned)",
                     b"MP1.C", b"mp1.c", b"\x1b]0;x\x07"):
            Path(os.fsdecode(os.path.join(os.fsencode(top), name))).write_text("int x;\n")
        (top / "loop").symlink_to("loop")
        (top / "up").symlink_to("..")
        os.mkfifo(top / "fifo")
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(top / "socket"))
        with open(top / "sparse", "wb") as file:
            file.truncate(20 << 20)
        built, log = self.script("ls . up/work | tail -n 40")
        self.assertIn("the end of it", log)
        self.assertIn("王伟.h", log)
        self.assertEqual(built.problem, "no Makefile has obj-m")

    def test_what_a_compiler_and_make_can_read(self) -> None:
        """Plugins, wrappers and includes run in the sandbox, and see no more than all else there"""
        built, log = self.build({
            "Makefile": "-include /proc/1/environ /proc/self/environ\nall:\n\t@env; read x; true\n"
                        "\t-@gcc -wrapper env -c mp1.c; gcc -fplugin=./p.so -c mp1.c\n",
            "mp1.c": f'#include "{self.folder}/secret"\n', "secret": MARK})
        self.assertNotIn(MARK, log)
        self.assertIn("HOME=", log)
        self.assertEqual(built.problem, "no Makefile has obj-m")

    def test_bombs(self) -> None:
        top = self.folder / "bomb"
        top.mkdir()
        (top / "bomb.zip").write_bytes(zipped({"mp1.c": bytes(70 << 20)}, 8))
        built, _ = self.hand_in(top, Limits(file_mib=50))
        self.assertRegex(built.problem, "cannot be unpacked here|filled its folder|writes more")

    def test_bombs_in_git(self) -> None:
        bare = self.commit({f"part{number}": "x" * (20 << 20) for number in range(4)})
        self.assertLess(sum(p.stat().st_size for p in bare.rglob("*")), 2 << 20)
        built, _ = self.hand_in(bare)
        late = "|there is no Makefile" if self.unsafe else ""  # written between two looks
        self.assertRegex(built.problem, "git cannot open|writes more than" + late)

    def test_repositories(self) -> None:
        bare = self.commit({"mp1/Makefile": "all:\n\t@echo from the repository\n"})
        if os.getuid() == 0:  # git would refuse one of another user
            subprocess.run(["chown", "-R", "12345", bare], check=True)
        (self.folder / "zip").mkdir()
        archive = {str(p.relative_to(bare.parent)): p.read_bytes()
                   for p in bare.rglob("*") if p.is_file()}
        (self.folder / "zip/repository.zip").write_bytes(zipped(archive))
        for what in (bare, f"file://{bare}", self.folder / "zip"):
            sandbox = self.sandbox()
            taken = intake.take_in(str(what), sandbox)
            build.build(taken, sandbox, sandbox.scratch, self.folder / "log")
            self.assertIn("from the repository", (self.folder / "log").read_text())

    def test_what_a_repository_says_is_not_done_with_our_rights(self) -> None:
        """Hooks, filters and programs of its configuration: nothing runs before the sandbox"""
        pwned = self.folder / "pwned"
        script = f"echo '#!/bin/sh' >hook; echo 'id >>{pwned}; env; exit 1' >>hook; chmod +x hook"
        private = self.folder / "private.git"
        bare = self.commit(
            {"Makefile": "all:\n\t@echo built\n", ".gitattributes": "* filter=x diff=x\n"},
            f"cd {self.folder}; git init -q --bare {private.name}; chmod 700 {private.name}",
            f"cd {self.folder}/bare.git", script,
            "for h in post-checkout reference-transaction; do cp hook hooks/$h; done",
            f"echo {private}/objects >objects/info/alternates",
            *(f"git config {key} $PWD/hook" for key in (
                "uploadpack.packObjectsHook", "core.fsmonitor", "core.sshCommand",
                "filter.x.smudge", "core.alternateRefsCommand", "remote.o.uploadpack",
                "core.hooksPath")),
            "git config remote.o.url ext::$PWD/hook; git config remote.o.promisor true",
            "git config extensions.partialClone o")
        os.chmod(self.folder, 0o777)
        _, log = self.hand_in(bare)
        self.assertNotIn(MARK, log)
        self.assertFalse(pwned.exists() and "uid=0" in pwned.read_text())

    def test_names_are_no_commands(self) -> None:
        before = set(os.listdir(TOP))
        for name in ("x'; touch pwn; '", "$(shell touch pwn)", "a$$b `touch pwn`", "-x", "a\"b"):
            for word, variable in ((f"SUBMISSION={name}", ""), ("-s", name)):
                done = subprocess.run(["make", "-s", "-C", str(TOP), "grade", word], check=False,
                                      env={**os.environ, "SUBMISSION": variable}, text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
                self.assertIn(f"there is no {name};", done.stdout)
        self.assertEqual(set(os.listdir(TOP)), before)


class Addresses(Attack):
    """git addresses, which bubblewrap and --unsafe treat alike"""

    def serve(self) -> str:
        """The test's folder, as files"""
        quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(self.folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def test_addresses_from_a_browser_and_submodules(self) -> None:
        """Submodules are not fetched with the teacher's keys: by https, or not at all"""
        self.commit({"mp1/Makefile": "all:\n", ".gitmodules": '[submodule "s"]\n\tpath = s\n'
                     "\turl = ../private.git\n"},
                    "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),s",
                    "git -c user.name=x -c user.email=x@example.org commit -qm s",
                    f"git push -q {self.folder}/bare.git main",
                    f"cp -r {self.folder}/bare.git {self.folder}/private.git",
                    f"for r in bare private; do git -C {self.folder}/$r.git update-server-info",
                    "done")
        address = self.serve() + "/bare.git"
        for end, found in (("", b"mp1/Makefile"), ("/tree/main/mp1", b"Makefile")):
            sandbox = self.sandbox(Limits())
            taken = intake.take_in(address + end, sandbox).read_bytes()
            self.assertIn(found, taken)
            self.assertEqual(b"mp1/Makefile" in taken, not end)
            self.assertRegex(" ".join(sandbox.notes), "submodule is missing.*without your keys")

    def test_what_does_not_work_says_why_at_once(self) -> None:
        address = self.serve()
        self.commit({"x": ""}, f"git -C {self.folder}/bare.git update-server-info")
        for text, why in ((f"file://{self.folder}/none", "cannot be opened"),
                          ("git@127.0.0.1:x/y.git", "host key|refused|cannot|fails|fatal|ssh"),
                          (f"{self.folder}/none.git", "cannot be opened"),
                          (f"{address}/none.git", "not found"),
                          (f"{address}/bare.git/tree/dev/x", "no branch dev"),
                          (f"{address}/bare.git/tree/main/y", "no folder y")):
            with self.assertRaisesRegex(intake.NotTaken, why):
                intake.take_in(text, self.sandbox(Limits()))
        self.assertLess(time.monotonic() - self.started, 90)


@unittest.skipUnless(os.getuid() == 0, "only root can go without bubblewrap")
class UnsafeFiles(Files):
    unsafe = True


def load_tests(loader: unittest.TestLoader, _tests: object, _pattern: object) -> unittest.TestSuite:
    cases: List[type] = [Files, UnsafeFiles, Addresses]
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main(verbosity=2)
