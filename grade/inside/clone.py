# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox, as the caller, with the network: clone a git address, and give it back.

usage: clone ADDRESS BRANCH FOLDER [REPOSITORY]

git runs here, and nothing that a student wrote: no hook, no filter, no make.
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import List

from inside import frames
from inside.pack import hand_over

PROBLEMS = (
    (r"Host key verification failed|authenticity of host",
     "the host key of {host} is not known here: run  ssh {host}  once, and compare the key"),
    (r"Permission denied \(publickey", "{host} does not accept your key"),
    (r"could not read Username|terminal prompts disabled|Authentication failed",
     "{host} asks for a password: is the repository private, or the address wrong?"),
    (r"Could not resolve host", "there is no host {host}, or no network"),
    (r"Remote branch .* not found", "the repository has no branch {branch}"),
    (r"empty repository|HEAD refers to nonexistent", "the repository is empty"),
)


def git(words: List[str]) -> str:
    options = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
               "-c", "safe.directory=*", "-c", "protocol.ext.allow=never",
               "-c", "filter.lfs.smudge=cat",
               "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false"]
    done = subprocess.run(
        ["git", *options, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, check=False,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true",
             "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=20",
             "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
             "GIT_CONFIG_VALUE_0": "*"})
    return done.stderr.decode("utf-8", "replace") if done.returncode else ""


def problem(error: str, address: str, branch: str) -> str:
    match = re.match(r"(?:[a-z+]+://)?(?:[^@/]*@)?([^:/]+)", address)
    for pattern, text in PROBLEMS:
        if re.search(pattern, error):
            return text.format(host=match[1] if match else address, branch=branch)
    lines = [line for line in error.splitlines() if re.match("ssh: |fatal|error|remote", line)]
    return lines[0] if lines else "git fails"


def main(address: str, branch: str, folder: str, repository: str = "") -> None:
    frames.hide()
    tree = os.path.join(os.getcwd(), "clone")
    words = ["clone", "-q", "--depth", "1", *(["--branch", branch] if branch else [])]
    error = git([*words, "--", f"file://{repository}" if repository else address, tree])
    if not error and os.path.exists(os.path.join(tree, ".gitmodules")):
        error = git(["-C", tree, "submodule", "--quiet", "update", "--init", "--depth", "1"])
        if error:  # the rest may do without
            print(problem(error, address, branch), file=sys.stderr)
            error = ""
    part = os.path.realpath(os.path.join(tree, folder))
    if not error and (not os.path.isdir(part) or not (part + "/").startswith(tree + "/")):
        error = f"fatal: the repository has no folder {folder}"
    if error:
        frames.give_json(sys.stdout.buffer, "problem", problem(error, address, branch))
        frames.give(sys.stdout.buffer, "end", b"")
    else:
        hand_over(part)


if __name__ == "__main__":
    main(*sys.argv[1:])
