"""Tokens, and files that nobody else may read."""

import os
import stat
from typing import Optional

TOKEN_MAX = 255


def check_kept(what: str, path: str) -> None:
    """ValueError where the file cannot be read, or others can read or change it."""
    try:
        status = os.stat(path)
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ValueError("the %s file %s cannot be opened: %s" % (what, path, error.strerror)) from error
    if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IWGRP | stat.S_IRWXO):
        raise ValueError("the %s file %s can be read or changed by others: chmod 600 it, and take another %s if they may "
                         "have" % (what, path, what))


def _looks_fine(token: str) -> bool:
    return 1 <= len(token) <= TOKEN_MAX and all(" " < c <= "~" for c in token)


def token_of(token: Optional[str], token_file: Optional[str]) -> Optional[str]:
    """What was given, else the first line of the file that was, else the environment's TASKQ_TOKEN, else the first line of
    the file that TASKQ_TOKEN_FILE names, else None. ValueError says what is wrong with it."""
    if token is None and token_file is None:
        token = os.environ.get("TASKQ_TOKEN") or None
        if token is not None and not _looks_fine(token):
            raise ValueError("what TASKQ_TOKEN has is no token")
        token_file = (os.environ.get("TASKQ_TOKEN_FILE") or None) if token is None else None
    if token is not None:
        if not _looks_fine(token):
            raise ValueError("this is no token: it has 1 to %d characters of ASCII without spaces" % TOKEN_MAX)
        return token
    if token_file is None:
        return None
    check_kept("token", token_file)
    with open(token_file, encoding="utf-8", errors="replace") as file:
        line = file.readline(TOKEN_MAX + 3).rstrip("\r\n")
    if not _looks_fine(line):
        raise ValueError("the token file %s has no token on its first line" % token_file)
    return line
