# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox: what is where in the tree of a submission"""
from __future__ import annotations

import os
import re
import shutil
from typing import List, Optional

from inside.unpack import files

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")  # in make's order
ODD = re.compile(r"[\s\"#$%&'(),:;<>\\`|]")  # kbuild takes none of these in a path
RELOCATABLE, EXECUTABLE, SHARED = 1, 2, 3
MAIN = re.compile(r"^[ \t]*(?:static\s+)?(?:int|void|auto)?\s*main\s*\(", re.MULTILINE)
MODULE = re.compile(r"module_init|init_module|MODULE_LICENSE")


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def elf_type(path: str) -> int:
    try:
        with open(path, "rb") as file:
            start = file.read(18)
    except OSError:
        return 0
    if start[:4] != b"\x7fELF" or len(start) < 18:
        return 0
    return int.from_bytes(start[16:18], "big" if start[5] == 2 else "little")


def clear(top: str) -> List[str]:
    """Remove what an earlier build left, by content and not by name. Return: modules, programs"""
    gone = []
    generated = re.compile(r"\.mod(\.c)?$|/\.[^/]*\.cmd$|/modules\.order$|/Module\.symvers$")
    for path in files(top):
        if elf_type(path):
            if elf_type(path) != RELOCATABLE or path.endswith(".ko"):
                gone.append(os.path.relpath(path, top))
            os.unlink(path)
        elif generated.search(path):
            os.unlink(path)
    return gone


def descend(top: str) -> str:
    """Into the only folder, as far as it goes"""
    while True:
        here = os.listdir(top)
        if len(here) != 1 or os.path.islink(os.path.join(top, here[0])) or \
           not os.path.isdir(os.path.join(top, here[0])):
            return top
        top = os.path.join(top, here[0])


def repository(top: str) -> str:
    """The path of a bare git repository, or nothing"""
    top = descend(top)
    if not all(os.path.exists(os.path.join(top, part)) for part in ("HEAD", "objects", "config")):
        return ""
    os.makedirs(os.path.join(top, "refs"), exist_ok=True)  # archives may lack empty folders
    return top


def settle(top: str, where: str) -> str:
    """Move the part that matters to a path that kbuild takes. Return: that path"""
    os.rename(descend(top), where)
    for folder in build_folders(where):
        if ODD.search(folder):
            plain = where + "-module"
            if not os.path.exists(plain):
                os.rename(folder, plain)
                shutil.move(plain, where)  # below it, so that ../ still leads there
                os.symlink(os.path.join(where, os.path.basename(plain)), folder)
    return where


def depth(path: str) -> int:
    return path.count("/")


def makefile_of(folder: str) -> Optional[str]:
    """By exact name, then in any case: a Makefile from Windows"""
    names = os.listdir(folder)
    for name in [*MAKEFILES, *sorted(names)]:
        if name in names and name.lower() in ("makefile", "gnumakefile"):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return path
    return None


def folders(top: str) -> List[str]:
    """All, the ones further up first"""
    found = [folder for folder, _, _ in os.walk(top)]
    return sorted(found, key=lambda folder: (depth(folder), folder))


def make_folders(top: str) -> List[str]:
    return [folder for folder in folders(top) if makefile_of(folder)]


def build_folders(top: str) -> List[str]:
    """Those that kbuild can build a module from"""
    found = []
    for folder in folders(top):
        for path in (os.path.join(folder, "Kbuild"), makefile_of(folder)):
            if path and re.search(r"^\s*(export\s+)?obj-m\s*[:+?]?=", read(path), re.MULTILINE):
                found.append(folder)
                break
    return found


def modules(top: str) -> List[str]:
    return [path for path in files(top) if path.endswith(".ko") and elf_type(path) == RELOCATABLE]


def programs(top: str) -> List[str]:
    """What make made to be run: userapp first, then what is called like it"""
    found = [path for path in files(top) if os.access(path, os.X_OK) and not path.endswith(".so")
             and (elf_type(path) in (EXECUTABLE, SHARED)
                  or (os.path.basename(path) == "userapp" and read(path).startswith("#!")))]

    def rank(path: str) -> int:
        name = os.path.basename(path).lower()
        if name == "userapp":
            return 0
        return 1 if "user" in name or "app" in name else 2

    return sorted(found, key=lambda path: (rank(path), depth(path), path))


def program_sources(top: str) -> List[str]:
    return [path for path in sorted(files(top)) if path.endswith(".c")
            and MAIN.search(read(path)) and not MODULE.search(read(path))]
