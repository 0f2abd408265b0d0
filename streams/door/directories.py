"""Directories that others may write to: held open, and no link in them is followed.

Whoever may write into a folder may put a link or a pipe in place of what lies there, at any moment.
So nothing here is reached by its path twice: a directory is opened once, and every name is looked
up in what was opened, where a link is an error (`O_NOFOLLOW`) and a pipe does not block.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Directory:
    """A directory that is open. What is put in its place later, under its path, is not touched."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @property
    def name_bytes_max(self) -> int:
        """How many bytes a name in it may have."""
        return os.fpathconf(self._handle, "PC_NAME_MAX")

    @contextmanager
    def inside(self, name: str, mode: int = 0o777) -> Iterator[Directory]:
        """The directory of that name in this one while the block runs; made if nothing is there.

        Raises OSError when a link or anything else is there.
        """
        with suppress(FileExistsError):
            os.mkdir(name, mode, dir_fd=self._handle)
        try:
            handle = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self._handle)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                wrong = "found a link or a file, expected a directory that the door made"
                raise OSError(error.errno, wrong, name) from error
            raise
        try:
            yield Directory(handle)
        finally:
            os.close(handle)

    def plain_files(self) -> list[tuple[float, str]]:
        """When each plain file was last written, in seconds, and its name; the oldest first."""
        found = []
        with os.scandir(self._handle) as entries:
            for entry in entries:
                # It may be gone by now.
                with suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(facts.st_mode):
                        found.append((facts.st_mtime, entry.name))
        return sorted(found)

    def is_plain(self, name: str) -> bool:
        """Whether a plain file is there."""
        facts = os.stat(name, dir_fd=self._handle, follow_symlinks=False)
        return stat.S_ISREG(facts.st_mode)

    def open_file(self, name: str) -> BinaryIO:
        """The plain file, to be read. Raises OSError for anything else."""
        return os.fdopen(self._open(name, os.O_RDONLY), "rb")

    def make_file(self, name: str) -> BinaryIO:
        """A new, empty file, in place of one that was left."""
        with suppress(FileNotFoundError):
            self.remove(name)
        return os.fdopen(self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")

    @contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Whether the lock of that name is ours while the block runs. It is not waited for."""
        handle = self._open(name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(handle)

    def is_free(self, name: str) -> bool:
        """Whether nothing is called so."""
        try:
            os.stat(name, dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return True
        return False

    def move(self, name: str, to: Directory, new_name: str) -> None:
        """Moves what is called so, and not what it may lead to, in place of what is there."""
        os.rename(name, new_name, src_dir_fd=self._handle, dst_dir_fd=to._handle)

    def remove(self, name: str) -> None:
        """Removes the file, the link or the pipe itself."""
        os.unlink(name, dir_fd=self._handle)

    def _open(self, name: str, how: int, mode: int = 0) -> int:
        handle = os.open(name, how | _FILE, mode, dir_fd=self._handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "found a pipe or a directory, expected a file", name)
        return handle


@contextmanager
def opened(path: Path) -> Iterator[Directory]:
    """The directory at the path while the block runs. It may be a link: who runs the door says
    where a folder is."""
    handle = os.open(path, _DIRECTORY)
    try:
        yield Directory(handle)
    finally:
        os.close(handle)
