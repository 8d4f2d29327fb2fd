# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox, as the caller: give back what was handed in, as one file.

A folder becomes a tar, the same for the same content whatever its dates; a file stays as it is.
Links are kept as links, so that nothing outside of the submission comes along.
"""
from __future__ import annotations

import os
import stat
import sys
import tarfile
from typing import Iterator

from inside import frames

MOST_BYTES = 150 << 20
MOST_FILES = 20000


class TooMuch(Exception):
    """It is too large to be a submission."""


def walk(top: str) -> Iterator[str]:
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted([*folders, *files]):
            yield os.path.join(folder, name)


def pack(top: str, out: str) -> None:
    total = 0
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        for count, path in enumerate(walk(top)):
            status = os.lstat(path)
            member = tarfile.TarInfo(os.path.relpath(path, top))
            member.mode = 0o755 if status.st_mode & 0o100 else 0o644
            if count >= MOST_FILES:
                raise TooMuch(f"it has more than {MOST_FILES} files")
            if stat.S_ISLNK(status.st_mode):
                member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
                tar.addfile(member)
            elif stat.S_ISDIR(status.st_mode):
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            elif stat.S_ISREG(status.st_mode):
                total += status.st_size
                if total > MOST_BYTES:
                    raise TooMuch(f"it has more than {MOST_BYTES >> 20} MB")
                with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                    member.size = status.st_size
                    tar.addfile(member, file)


def hand_over(path: str) -> None:
    out = sys.stdout.buffer
    try:
        if os.path.isdir(path):
            tar = os.path.join(os.environ["TMPDIR"], "packed.tar")
            pack(path, tar)
            frames.give_file(out, "input", tar)
        elif os.path.getsize(path) > MOST_BYTES:
            raise TooMuch(f"it has more than {MOST_BYTES >> 20} MB")
        else:
            frames.give_file(out, "input", path)
    except OSError as error:
        frames.give_json(out, "problem", f"it cannot be read: {error.strerror}")
    except (TooMuch, ValueError, RecursionError) as error:
        frames.give_json(out, "problem", str(error))
    frames.give(out, "end", b"")


if __name__ == "__main__":
    hand_over(sys.argv[1])
