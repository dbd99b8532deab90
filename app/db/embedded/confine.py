"""Turns into the program it is given, after leaving root and tying its life to the process that started it.

    python -IS confine.py PARENT_PID DIRECTORY PROGRAM [ARGUMENT …]

A program of its own because the alternative, `preexec_fn`, may deadlock when the starting process has threads. It
imports nothing but the standard library, so that it costs 20 ms.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, directory: Path, program: Path, *arguments: str) -> None:
    """Does not return; exits with one sentence when `program` must not or cannot run here."""
    if os.geteuid() == 0:
        _leave_root(directory, program)
    if sys.platform == "linux":
        # Changing the user clears this, so it comes last. SIGINT is PostgreSQL's fast shutdown.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:
            sys.exit("error: the process that started this is gone")
    for path, mode in ((directory, os.R_OK | os.W_OK | os.X_OK), (program, os.X_OK)):
        if not os.access(path, mode):
            sys.exit(f"error: Permission denied at {path}")
    os.execv(program, [str(program), *arguments])  # noqa: S606 - no shell is the point


def _leave_root(directory: Path, program: Path) -> None:
    """PostgreSQL refuses to run as root: run it as whoever owns `directory`.

    When that is root too, a user namespace in which root has another number keeps every file as it is and reaches
    folders that only root may enter. Containers mostly forbid namespaces: there `directory` is given to `nobody`.
    """
    owner = directory.stat()
    if owner.st_uid == 0 and _works(_enter_namespace):
        _enter_namespace()
        return
    nobody = pwd.getpwnam("nobody")
    uid, gid = (owner.st_uid, owner.st_gid) if owner.st_uid else (nobody.pw_uid, nobody.pw_gid)

    def become_owner() -> None:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)

    def reach_everything() -> None:
        become_owner()
        directory.stat()
        program.stat()

    if not _works(reach_everything):
        sys.exit(f"error: not as root, and user {uid} gets Permission denied on the way to {directory} or {program}")
    for path in (directory, *directory.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)
    become_owner()


def _works(attempt: Callable[[], None]) -> bool:
    """Tries in a child what a process cannot take back."""
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _enter_namespace() -> None:
    if sys.platform != "linux":
        raise OSError("only Linux has user namespaces")
    nobody, group = pwd.getpwnam("nobody"), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # user_namespaces(7): a process may map its own group only after it gave up setgroups.
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{nobody.pw_uid} 0 1"),
        ("gid_map", f"{nobody.pw_gid} {group} 1"),
    ):
        Path("/proc/self", name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
