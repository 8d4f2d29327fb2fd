# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox: turn what was handed in into a tree, whatever it is and is called."""
from __future__ import annotations

import errno
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
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
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


def make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except (NotADirectoryError, FileExistsError):
        pass  # one name for a file and a folder


def unpack_zip(path: str, top: str) -> None:
    with zipfile.ZipFile(path) as archive:
        if len(archive.infolist()) > MOST_ENTRIES:
            raise Unpacking(f"it has more than {MOST_ENTRIES} entries")
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if JUNK.search(entry.filename) or stat.S_ISLNK(mode):
                continue
            if entry.flag_bits & 1:
                raise Unpacking("the .zip has a password")
            if entry.is_dir():
                make_folder(inside(top, entry.filename))
                continue
            with archive.open(entry) as source:
                write(inside(top, entry.filename), source, bool(mode & 0o100))


def unpack_tar(path: str, top: str) -> None:
    links: List[Tuple[str, str]] = []
    with tarfile.open(path, "r:*") as archive:
        for count, entry in enumerate(archive):
            if count >= MOST_ENTRIES:
                raise Unpacking(f"it has more than {MOST_ENTRIES} entries")
            if JUNK.search(entry.name):
                continue
            target = inside(top, entry.name)
            if entry.isdir():
                make_folder(target)
            elif entry.issym():
                links.append((target, entry.linkname))
            elif entry.isreg() or entry.islnk():
                source = archive.extractfile(entry)
                if source:
                    write(target, source, bool(entry.mode & 0o100))
    for target, where in links:  # last, so that nothing is written through one
        make_folder(os.path.dirname(target))
        if os.path.isdir(os.path.dirname(target)) and not os.path.lexists(target):
            os.symlink(where, target)


def kind(path: str) -> str:
    """zip, tar, the name of something else that is packed, or nothing: by content"""
    with open(path, "rb") as file:
        start = file.read(8)
    for magic, name in OTHERS:
        if start.startswith(magic):
            return name
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    try:
        if os.path.getsize(path) and tarfile.is_tarfile(path):
            return "tar"
    except Exception:  # zlib, lzma and others have errors of their own
        pass
    return "damaged" if start.startswith(PACKED) else ""


def is_file(path: str) -> bool:
    """Not a link, nor a FIFO, where reading would wait"""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def files(top: str) -> List[str]:
    return [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names
            if not JUNK.search(name) and is_file(os.path.join(folder, name))]


def unpack(path: str, top: str, notes: List[str], depth: int = 0) -> None:
    """Unpack a file into a folder; and an archive in it, if nothing else is of use."""
    what = kind(path)
    try:
        if what == "zip":
            unpack_zip(path, top)
        elif what == "tar":
            unpack_tar(path, top)
        elif what == "damaged":
            raise Unpacking("the archive is damaged, or what is packed is no tar archive")
        elif what:
            raise Unpacking(f"it is a {what} archive; hand in a .zip or a .tar.gz")
        else:
            raise Unpacking("it is neither a folder nor an archive that can be unpacked")
    except Unpacking:
        raise
    except Exception as error:  # zlib, lzma, struct and others have errors of their own
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise Unpacking(f"it cannot be unpacked here: {error.strerror}") from None
        raise Unpacking(f"the archive is damaged: {error or type(error).__name__}") from None
    found = files(top)
    if any(re.search(r"(\.[ch]|/[Mm]akefile|/GNUmakefile|/Kbuild)$", name) for name in found):
        return
    archives = [name for name in found if kind(name) not in ("", "damaged")]
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
