# SPDX-License-Identifier: GPL-2.0-only
"""In the sandbox, as the caller, with the network: clone a git address, and give it back.

usage: clone ADDRESS BRANCH FOLDER

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
    (r"Could not resolve (host|name)", "there is no host {host}, or no network"),
    (r"Remote branch .* not found", "the repository has no branch {branch}"),
    (r"empty repository|HEAD refers to nonexistent", "the repository is empty"),
)


def git(words: List[str], keys: bool = True) -> str:
    """Run it, with the caller's keys or without. Return: what went wrong"""
    options = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
               "-c", "protocol.ext.allow=never", "-c", "filter.lfs.smudge=cat",
               "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false"]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true",
                   "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=20"}
    if not keys:
        options += ["-c", "credential.helper=", "-c", "protocol.allow=never",
                    "-c", "protocol.https.allow=always"]
        environment.update(HOME=os.getcwd(), GIT_CONFIG_GLOBAL="/dev/null", SSH_AUTH_SOCK="",
                           GIT_SSH_COMMAND="false")
    done = subprocess.run(["git", *options, *words], stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    return done.stderr.decode("utf-8", "replace") if done.returncode else ""


def problem(error: str, address: str, branch: str) -> str:
    match = re.match(r"(?:[a-z+]+://)?(?:[^@/]*@)?([^:/]+)", address)
    for pattern, text in PROBLEMS:
        if re.search(pattern, error):
            return text.format(host=match[1] if match else address, branch=branch)
    lines = [line for line in error.splitlines() if re.match("ssh: |fatal|error|remote", line)]
    return lines[0] if lines else "git fails"


def submodules(tree: str, address: str) -> str:
    """Their addresses are the student's: they must not be fetched with the caller's keys."""
    plain = re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", address)  # a relative one inherits the rest
    error = git(["-C", tree, "remote", "set-url", "origin", plain]) or \
        git(["-C", tree, "submodule", "--quiet", "update", "--init", "--depth", "1"], keys=False)
    if not error:
        return ""
    lines = [line for line in error.splitlines() if re.match("fatal|error", line)]
    return "a submodule is missing; they are fetched without your keys, and by https only: " \
        + (lines[0] if lines else "git fails")


def main(address: str, branch: str, folder: str) -> None:
    frames.hide()
    out = sys.stdout.buffer
    tree = os.path.join(os.getcwd(), "clone")
    words = [*(["--branch", branch] if branch else []), "--", address, tree]
    error = git(["clone", "-q", "--depth", "1", *words])
    if "shallow" in error:  # a server that knows only files
        error = git(["clone", "-q", *words])
    part = os.path.realpath(os.path.join(tree, folder))
    if not error and (not os.path.isdir(part) or not (part + "/").startswith(tree + "/")):
        error = f"fatal: the repository has no folder {folder}"
    if error:
        frames.give_json(out, "problem", problem(error, address, branch))
        frames.give(out, "end", b"")
        return
    if os.path.exists(os.path.join(tree, ".gitmodules")):
        note = submodules(tree, address)
        if note:
            frames.give_json(out, "note", note)
    hand_over(part)


if __name__ == "__main__":
    main(*sys.argv[1:])
