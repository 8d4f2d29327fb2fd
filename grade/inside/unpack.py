# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox: turn what was handed in into a tree, whatever it is and is called."""
from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
import zipfile
from typing import IO, List, Tuple

MOST_ENTRIES = 20000
# What operating systems and tools add
JUNK = re.compile(r"(^|/)(__MACOSX|\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini|\.git|\.svn)(/|$)")
OTHERS = ((b"Rar!", ".rar"), (b"7z\xbc\xaf", ".7z"), (b"\x28\xb5\x2f\xfd", ".zst"))
DEEPEST = 5


class Unpacking(Exception):
    """It cannot be unpacked; the text says why."""


def inside(top: str, name: str) -> str:
    """Where an entry of this name goes: always below top"""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return os.path.join(top, *parts)


def write(path: str, source: IO[bytes], executable: bool) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path) or os.path.isfile(path):
            os.unlink(path)  # an entry that is there twice: the last one counts
        with open(path, "wb") as file:
            shutil.copyfileobj(source, file)
        os.chmod(path, 0o755 if executable else 0o644)
    except (NotADirectoryError, IsADirectoryError, FileExistsError):
        pass  # one name for a file and a folder


def unpack_zip(path: str, top: str) -> None:
    try:
        archive = zipfile.ZipFile(path)
        entries = archive.infolist()
        if len(entries) > MOST_ENTRIES:
            raise Unpacking(f"it has more than {MOST_ENTRIES} entries")
        for entry in entries:
            mode = entry.external_attr >> 16
            if entry.is_dir() or JUNK.search(entry.filename) or stat.S_ISLNK(mode):
                continue
            with archive.open(entry) as source:
                write(inside(top, entry.filename), source, bool(mode & 0o100))
    except RuntimeError:
        raise Unpacking("the .zip has a password") from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise Unpacking(f"the .zip is damaged: {error}") from None


def unpack_tar(path: str, top: str) -> None:
    links: List[Tuple[str, str]] = []
    try:
        with tarfile.open(path, "r:*") as archive:
            for count, entry in enumerate(archive):
                if count >= MOST_ENTRIES:
                    raise Unpacking(f"it has more than {MOST_ENTRIES} entries")
                if JUNK.search(entry.name):
                    continue
                target = inside(top, entry.name)
                if entry.isdir():
                    os.makedirs(target, exist_ok=True)
                elif entry.issym():
                    links.append((target, entry.linkname))
                elif entry.isreg() or entry.islnk():
                    source = archive.extractfile(entry)
                    if source:
                        write(target, source, bool(entry.mode & 0o100))
    except (tarfile.TarError, EOFError, KeyError, ValueError, FileExistsError) as error:
        raise Unpacking(f"the archive is damaged: {error}") from None
    for target, where in links:  # last, so that nothing is written through one
        if not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(where, target)


def kind(path: str) -> str:
    """zip, tar, the name of something else that is packed, or nothing: by content"""
    with open(path, "rb") as file:
        start = file.read(8)
    for magic, name in OTHERS:
        if start.startswith(magic):
            return name
    if zipfile.is_zipfile(path) and start.startswith(b"PK"):
        return "zip"
    try:
        if os.path.getsize(path) and tarfile.is_tarfile(path):
            return "tar"
    except (EOFError, OSError, ValueError):
        pass
    return ""


def files(top: str) -> List[str]:
    return [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names
            if not JUNK.search(name) and not os.path.islink(os.path.join(folder, name))]


def unpack(path: str, top: str, notes: List[str], depth: int = 0) -> None:
    """Unpack a file into a folder; and an archive in it, if nothing else is of use."""
    what = kind(path)
    try:
        if what == "zip":
            unpack_zip(path, top)
        elif what == "tar":
            unpack_tar(path, top)
        elif what:
            raise Unpacking(f"it is a {what} archive; hand in a .zip or a .tar.gz")
        else:
            raise Unpacking("it is neither a folder nor an archive that can be unpacked")
    except OSError as error:
        raise Unpacking(f"it cannot be unpacked here: {error.strerror or error}") from None
    found = files(top)
    if any(re.search(r"(\.[ch]|/[Mm]akefile|/GNUmakefile|/Kbuild)$", name) for name in found):
        return
    archives = [name for name in found if kind(name)]
    if archives and depth < DEEPEST:
        if len(archives) > 1:
            archives.sort(key=os.path.getsize)
            notes.append(f"of {len(archives)} archives, the largest one was taken: "
                         + os.path.basename(archives[-1]))
        deeper = os.path.join(os.path.dirname(top), f"deeper{depth}")
        os.makedirs(deeper)
        unpack(archives[-1], deeper, notes, depth + 1)
        shutil.rmtree(top)
        os.rename(deeper, top)
