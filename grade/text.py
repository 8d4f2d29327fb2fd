# SPDX-License-Identifier: GPL-2.0-only
"""What a student wrote or a kernel printed, made harmless for the place where it is shown.

Strings from there enter through clean(); each place then quotes what is special in it.
"""
from __future__ import annotations

import hashlib
import re
import unicodedata

# C0 and C1 controls, and what changes the direction or order of text
_BAD = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def clean(text: str, most: int = 1000) -> str:
    """One line without controls, of at most that many characters."""
    line = _BAD.sub(" ", text.replace("\t", " ")).encode("utf-8", "replace").decode()
    line = line.strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def clean_lines(data: bytes, most: int = 2_000_000) -> str:
    """A log as text: its lines, each without controls."""
    if len(data) > most:
        half = most // 2
        gap = b"\n[... %d bytes left out ...]\n" % (len(data) - most)
        data = data[:half] + gap + data[-half:]
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return "\n".join(_BAD.sub(" ", line.replace("\t", "        ")).rstrip() for line in lines)


def markdown(text: str) -> str:
    """Text in a paragraph or in a cell: no HTML, link, image, emphasis, code or formula."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~#!$])", r"\\\1", text)
    # Underscores inside of words are harmless, and names of functions are full of them.
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    return re.sub(r"(?i)(https?|ftp|mailto):|(www)\.", _no_link, text)


def _no_link(found: re.Match[str]) -> str:
    return f"{found[1]}&#58;" if found[1] else f"{found[2]}&#46;"


def code(text: str) -> str:
    """Text between backquotes, which cannot end there."""
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"


def cell(text: str) -> str:
    """A cell of a CSV file that a spreadsheet does not compute."""
    is_number = re.fullmatch(r"-?[0-9.]+", text)
    # Some spreadsheets take the full-width forms for the plain ones.
    return "'" + text if re.match(r"[=+@\-\t\r＝＋＠－]", text) and not is_number else text


# Names of our own, and names that look like the changed ones below
_TAKEN = re.compile(r"(?i)^(points\.(csv|md)|-.*|\.*)$|\.log$|-[0-9a-f]{8}$")


def file_name(name: str) -> str:
    """What the results of a submission are called: a name for a file, different for each name.

    Letters of every script stay as they are.
    """
    composed = unicodedata.normalize("NFC", name)
    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in composed)
    plain = plain.encode("utf-8", "replace").decode()[:80]
    if plain != name or _TAKEN.search(plain):
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        plain = f"{plain.lstrip('-.') or 'submission'}-{digest}"
    return plain
