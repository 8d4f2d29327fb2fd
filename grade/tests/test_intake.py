# SPDX-License-Identifier: GPL-2.0-only
"""What people hand in, unpacked: needs neither sandbox nor machine."""
from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path
from typing import Dict, List, Optional

from inside import pack, tree
from inside.unpack import Unpacking, unpack
from intake import Address, is_address, parse_address

FILES = {"Makefile": b"obj-m := mp1.o\n", "mp1.c": b"int x;\n"}


def zipped(files: Dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(files: Dict[str, bytes], mode: str = "w") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def link(name: str, where: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, where
    return member


class Unpack(unittest.TestCase):
    def setUp(self) -> None:
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)
        self.notes: List[str] = []

    def unpacked(self, data: bytes, name: str = "input") -> Dict[str, bytes]:
        path = os.path.join(self.work.name, name)
        Path(path).write_bytes(data)
        self.top = os.path.join(self.work.name, "top")
        os.mkdir(self.top)
        unpack(path, self.top, self.notes)
        return {str(p.relative_to(self.top)): p.read_bytes()
                for p in Path(self.top).rglob("*") if p.is_file() and not p.is_symlink()}

    def check(self, data: bytes, wanted: Optional[Dict[str, bytes]] = None) -> None:
        self.assertEqual(self.unpacked(data), FILES if wanted is None else wanted)

    def test_zip(self) -> None:
        self.check(zipped(FILES))

    def test_tar_of_each_kind(self) -> None:
        for mode in ("w", "w:gz", "w:bz2", "w:xz"):
            with self.subTest(mode):
                self.setUp()
                self.check(tarred(FILES, mode))

    def test_zip_of_a_zip(self) -> None:
        self.check(zipped({"mp1.zip": zipped(FILES)}))

    def test_moodle_zip_in_a_folder(self) -> None:
        self.check(tarred({"Name_123_assignsubmission_file_/MP1.ZIP": zipped(FILES)}))

    def test_tar_in_a_zip_in_a_zip(self) -> None:
        self.check(zipped({"a.zip": zipped({"b/mp1.tar.gz": tarred(FILES)})}))

    def test_macos(self) -> None:
        self.check(zipped({**FILES, "__MACOSX/._mp1.c": b"?", "._Makefile": b"?",
                           ".DS_Store": b"?"}))

    def test_only_macos_files_and_a_zip(self) -> None:
        self.check(zipped({"__MACOSX/x.c": b"", "mp1.zip": zipped(FILES)}))

    def test_windows_separators(self) -> None:
        self.check(zipped({"mp1\\Makefile": b"a"}), {"mp1/Makefile": b"a"})

    def test_entry_that_is_there_twice(self) -> None:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("mp1.c", b"old")
            with self.assertWarns(UserWarning):
                archive.writestr("mp1.c", b"new")
        self.check(data.getvalue(), {"mp1.c": b"new"})

    def test_names_that_lead_out(self) -> None:
        names = {"../../out.c": b"1", "/etc/out.c": b"2", "a/../../b.c": b"3"}
        for data in (zipped(names), tarred(names)):
            self.setUp()
            self.check(data, {"out.c": b"1", "etc/out.c": b"2", "a/b.c": b"3"})
            self.assertEqual(sorted(os.listdir(self.work.name)), ["input", "top"])

    def test_nothing_is_written_through_a_link(self) -> None:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            archive.addfile(link("mp1.c", "/etc"))
            member = tarfile.TarInfo("mp1.c/passwd.c")
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
        self.check(data.getvalue(), {"mp1.c/passwd.c": b"x"})

    def test_link_in_a_zip_is_left_out(self) -> None:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            info = zipfile.ZipInfo("secret")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
            archive.writestr("mp1.c", b"x")
        self.check(data.getvalue(), {"mp1.c": b"x"})

    def test_reasons(self) -> None:
        for data, why in ((b"Rar!\x1a\x07", r"\.rar"), (b"7z\xbc\xaf", r"\.7z"),
                          (b"int x;", "neither"), (b"", "neither"),
                          (zipped(FILES)[:60], "damaged"),
                          (tarred(FILES, "w:gz")[:80], "damaged"),
                          (gzip.compress(b"int x;"), "damaged, or")):
            with self.subTest(why):
                self.setUp()
                with self.assertRaisesRegex(Unpacking, why):
                    self.unpacked(data)


class Pack(unittest.TestCase):
    def test_by_content_and_without_following_links(self) -> None:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work, "a")
            folder.mkdir()
            (folder / "mp1.c").write_bytes(b"x")
            (folder / "link").symlink_to("/etc/passwd")
            os.mkfifo(folder / "fifo")
            for name in ("one", "two"):
                os.utime(folder / "mp1.c", (1, 1) if name == "one" else (2e9, 2e9))
                pack.pack(str(folder), os.path.join(work, name))
            self.assertEqual(Path(work, "one").read_bytes(), Path(work, "two").read_bytes())
            with tarfile.open(Path(work, "one")) as tar:
                kinds = {m.name: m.type for m in tar}
            self.assertEqual(kinds, {"mp1.c": tarfile.REGTYPE, "link": tarfile.SYMTYPE})

    def test_hard_links_do_not_multiply_without_bound(self) -> None:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work, "a")
            folder.mkdir()
            with open(folder / "0", "wb") as file:
                file.truncate(50 << 20)
            for number in range(1, 5):
                os.link(folder / "0", folder / str(number))
            with self.assertRaises(pack.TooMuch):
                pack.pack(str(folder), os.path.join(work, "out"))


class Tree(unittest.TestCase):
    def setUp(self) -> None:
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.top = os.path.join(work.name, "unpacked")

    def make(self, files: Dict[str, str]) -> None:
        for name, text in files.items():
            path = Path(self.top, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("latin-1"))

    def test_sources_with_odd_names_are_kept(self) -> None:
        elf = "\x7fELF\x02\x01\x01" + "\0" * 9 + "\x01\x00"
        kept = {"list.module.h": "", "cpu.model.c": "", "userapp": "#!/bin/sh\n", "a.modern": ""}
        self.make({**kept, "mp1.ko": elf, "x.o": elf, "mp1.mod": "", "mp1.mod.c": "",
                   ".x.o.cmd": ""})
        self.assertEqual(tree.clear(self.top), ["mp1.ko"])
        self.assertEqual(sorted(os.listdir(self.top)), sorted(kept))

    def test_folders_to_build(self) -> None:
        self.make({"a/b/c/kernel/Kbuild": "obj-m += mp1.o\n", "a/b/c/user/Makefile": "all:\n"})
        self.assertEqual([os.path.relpath(f, self.top) for f in tree.build_folders(self.top)],
                         ["a/b/c/kernel"])

    def test_gnumakefile_and_any_case(self) -> None:
        for name in ("GNUmakefile", "makefile", "MAKEFILE"):
            self.make({f"{name}.d/{name}": " obj-m := x.o"})
        self.assertEqual(len(tree.build_folders(self.top)), 3)

    def test_blanks_in_the_path_of_the_module(self) -> None:
        self.make({"My Project/kernel part/Makefile": "obj-m := mp1.o\n", "My Project/x": ""})
        where = os.path.join(os.path.dirname(self.top), "work")
        tree.settle(self.top, where)
        found = tree.build_folders(where)
        self.assertEqual(len(found), 1)
        self.assertNotIn(" ", found[0])


class Addresses(unittest.TestCase):
    def test_browser(self) -> None:
        for text, wanted in (
                ("https://github.com/u/r", Address("https://github.com/u/r")),
                ("https://github.com/u/r?tab=readme#x", Address("https://github.com/u/r")),
                ("https://github.com/u/r/tree/main/mp1/",
                 Address("https://github.com/u/r", "main", "mp1")),
                ("https://gitlab.x.edu/a/r/-/tree/dev", Address("https://gitlab.x.edu/a/r", "dev")),
                ("https://github.com/u/r/blob/main/a%20b/mp1.c",
                 Address("https://github.com/u/r", "main", "a b"))):
            self.assertEqual(parse_address(text), wanted)

    def test_what_is_an_address(self) -> None:
        for text in ("git@github.com:u/r.git", "ssh://x/y", "file:///x", "https://x/y"):
            self.assertTrue(is_address(text), text)
        for text in ("folder", "a:b", "./x@y", "O'Brien", "mp1.git"):
            self.assertFalse(is_address(text), text)


if __name__ == "__main__":
    unittest.main()
