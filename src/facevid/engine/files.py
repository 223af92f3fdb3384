"""Output that is whole or not there (temporary name, fsync, rename), and a lock for one run a folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from facevid.engine.step import EngineError, StorageError

_TEMPORARY = re.compile(r"^\..+\.tmp-(\d+)-([0-9a-f]{8})(\.[^.]+)?$")
# How numpy says that a file took only a part: an OSError without a number.
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
_FORBIDDEN = {errno.EACCES: "writing is not allowed", errno.EPERM: "writing is not allowed"}
_TRIES = 10  # to take a lock whose file is removed meanwhile
_NO_OUTPUT = {**_FULL, errno.EROFS: "the file system is read-only"}


class FolderBusy(EngineError):
    """Another process works in this folder; str() says which."""


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success fsync it and rename it to `path`, on failure remove it.

    The temporary name `.<name>.tmp-<pid>-<start of the process, random><suffix>` keeps the suffix, because many
    writers choose their format by it. Missing parent folders are made. Raises StorageError when the place cannot be
    written.
    """
    final = Path(path)
    temporary = temporary_path(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(final)
        _sync(final.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        _raise_if_storage(error, final)
        raise


@contextlib.contextmanager
def atomic_dir(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Like `atomic_path` for a folder: yields an empty temporary folder that becomes `path`.

    A folder already at `path` is replaced; between its removal and the rename a killed process leaves nothing
    at `path`, never a mixture.
    """
    final = Path(path)
    temporary = temporary_path(final)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for folder, _, names in os.walk(temporary):
            for name in names:
                _sync(Path(folder, name))
            _sync(Path(folder))
        _replace_folder(temporary, final)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        _raise_if_storage(error, final)
        raise


def write_parquet_atomic(table: Any, path: str | os.PathLike[str], **options: Any) -> None:
    """Write a `pyarrow.Table` as Parquet (zstd unless `compression` is given), whole or not at all."""
    import pyarrow.parquet

    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(table, temporary, **{"compression": "zstd", **options})


def write_json_atomic(value: Any, path: str | os.PathLike[str]) -> None:
    """Write indented UTF-8 JSON with a final newline, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; reads it piece by piece."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def clear_stale(folder: str | os.PathLike[str], *, recursive: bool = True) -> int:
    """Remove temporary files and folders of dead processes in `folder`; returns how many.

    recursive: anywhere below it; else only directly in it, which is quick however many folders it holds.
    Call it while holding the folder's lock, before any worker starts.
    """
    removed = 0
    for parent, folders, names in os.walk(folder):
        stale = [path for name in [*folders, *names] if _is_stale(path := Path(parent, name))]
        folders[:] = [name for name in folders if recursive and not _TEMPORARY.match(name)]
        for target in stale:
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target, ignore_errors=True)
            else:
                target.unlink(missing_ok=True)
            removed += 1
    return removed


@contextlib.contextmanager
def folder_lock(
    folder: str | os.PathLike[str], *, name: str = "lock", called: str | None = None
) -> Iterator[Path]:
    """Own `folder` (made when missing) for the length of the `with` block; yields the lock file's path.

    The operating system holds the lock, so it is free again the moment its process is gone, however it went. Folders
    that were missing, and into which nothing was put meanwhile, are removed again with it. called: what people call the
    folder, where that is not its path. Raises FolderBusy with who holds it, StorageError when the folder cannot be
    written.
    """
    path = Path(folder, name)
    missing = _missing(path)
    with _own_file(path, called or str(path.parent)) as handle:
        handle.truncate(0)
        # Who holds the lock is told for convenience: a full disk need not stop a run that writes little.
        with contextlib.suppress(OSError):
            holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
            os.write(handle.fileno(), json.dumps(holder).encode())
        try:
            yield path
        finally:
            handle.truncate(0)
            if path.parent in missing and _same(handle, path):
                _remove_empty(path, missing)


def lock_mark(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """What tells a lock file from another at the same path; None where there is none.

    A folder that somebody removes takes its lock along: its holder owns it as long as the mark is that of the start.
    """
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _own_file(path: Path, called: str) -> TextIO:
    """The lock file, opened and locked, which is the one at `path`."""
    for left in reversed(range(_TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("a+", encoding="utf-8")
        except OSError as error:
            if isinstance(error, FileNotFoundError) and left:
                continue  # who held the lock has just removed the folder that he had made
            plain = f"cannot write in the folder {path.parent}: {error.strerror}; choose another folder"
            raise StorageError(storage_sentence(error, path) or plain) from error
        try:
            if not _try_lock(handle.fileno(), path):
                handle.seek(0)
                raise FolderBusy(_holder_sentence(called, handle.read()))
            # Between opening and locking the file may have been removed: a lock on it keeps nobody out.
            if _same(handle, path):
                return handle
        except BaseException:
            handle.close()
            raise
        handle.close()
    raise FolderBusy(f"{called} is removed and made again by other processes; end them, then run this again")


def _same(handle: TextIO, path: Path) -> bool:
    found = os.fstat(handle.fileno())
    return lock_mark(path) == (found.st_dev, found.st_ino)


def _missing(path: Path) -> list[Path]:
    """Folders above `path` that are not there, innermost first."""
    found = []
    for folder in path.parents:
        if folder.exists():
            break
        found.append(folder)
    return found


def _remove_empty(lock: Path, folders: Sequence[Path]) -> None:
    """Removes the lock's file and those of the folders that hold nothing else, innermost first."""
    with contextlib.suppress(OSError):
        if [entry.name for entry in lock.parent.iterdir()] != [lock.name]:
            return
        lock.unlink()
        for folder in folders:
            folder.rmdir()


@contextlib.contextmanager
def folder_used(folder: str | os.PathLike[str], *, alone: bool = False) -> Iterator[None]:
    """Be one of any number who use `folder` for the length of the `with` block, or the only one; writes nothing.

    The lock is on the folder itself, so it can be held on a folder that may only be read. Raises FolderBusy where
    others use it alone, or use it at all when `alone` is asked for. Windows and some network file systems cannot lock
    a folder; there it keeps nobody out.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise FolderBusy(
                    f"{folder} is in use: end what shows or changes it (such as `facevid explore`), then run this again"
                ) from None
        yield
    finally:
        os.close(handle)


def require_space(folder: str | os.PathLike[str], needed_bytes: int) -> None:
    """Raise StorageError when fewer than `needed_bytes` are free where `folder` is or will be."""
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise StorageError(
            f"{Path(folder)} has {free / 1e9:.1f} GB free and about {needed_bytes / 1e9:.1f} GB are needed: "
            "free some space or choose another output folder"
        )


def storage_sentence(error: BaseException, path: str | os.PathLike[str] | None = None) -> str | None:
    """The user's sentence if `error`, or what caused it, means that output cannot be written; else None.

    A full, over-quota or read-only disk always counts. A permission error counts only when the file named
    could be read but not written, or does not exist in a folder that may not be written: an input that cannot
    be read is its item's fault alone.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, StorageError):
            return str(link)
        number = getattr(link, "errno", None)
        where = getattr(link, "filename", None) or path
        if number in _NO_OUTPUT:
            return _sentence(where, _NO_OUTPUT[number])
        if isinstance(link, OSError) and number is None and _SHORT_WRITE.fullmatch(str(link)):
            return _sentence(where, _FULL[errno.ENOSPC])
        if number in _FORBIDDEN and where is not None and _may_not_write(where):
            return _sentence(where, _FORBIDDEN[number])
        link = link.__cause__ or link.__context__
    return None


def _sentence(where: object, why: str) -> str:
    place = os.fsdecode(where) if isinstance(where, (str, bytes, os.PathLike)) else "the output"
    return (
        f"cannot write {place}: {why}; what is finished is kept: repair this and run the same command again"
    )


def _may_not_write(where: object) -> bool:
    if not isinstance(where, (str, bytes, os.PathLike)):
        return False
    path = Path(os.fsdecode(where))
    if path.exists():
        return os.access(path, os.R_OK) and not os.access(path, os.W_OK)
    return path.parent.exists() and not os.access(path.parent, os.W_OK)


def _raise_if_storage(error: BaseException, final: Path) -> None:
    if isinstance(error, (StorageError, KeyboardInterrupt, GeneratorExit)) or not isinstance(
        error, Exception
    ):
        return
    sentence = storage_sentence(error, final)
    about_output = _names_output(getattr(error, "filename", None), final)
    if sentence is None and getattr(error, "errno", None) in _FORBIDDEN and about_output:
        sentence = _sentence(final, "writing is not allowed")
    if sentence is not None:
        raise StorageError(sentence) from error


def _names_output(named: object, final: Path) -> bool:
    """Whether an error's file is the output, its temporary name or one of its parents."""
    if not isinstance(named, (str, bytes, os.PathLike)):
        return False
    path = Path(os.fsdecode(named))
    return path == final or path in final.parents or path.name.startswith(f".{final.name}.tmp-")


def temporary_path(final: Path) -> Path:
    """A name beside `final` that `clear_stale` leaves alone as long as this process lives."""
    mark = f"{_start_mark(os.getpid()) or 0:04x}{secrets.token_hex(2)}"
    return final.with_name(f".{final.name}.tmp-{os.getpid()}-{mark}{final.suffix}")


def _is_stale(path: Path) -> bool:
    match = _TEMPORARY.match(path.name)
    return match is not None and not _is_running(int(match[1]), int(match[2][:4], 16))


def _is_running(pid: int, mark: int) -> bool:
    """Whether process `pid` lives and is the one with this mark.

    In containers process numbers are few and soon used again, and the dead may stay as zombies. No clock is asked,
    since clocks are set.
    """
    if sys.platform == "win32":
        return pid == os.getpid()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _start_mark(pid) in (None, mark)


def _start_mark(pid: int) -> int | None:
    """16 bits of when a process started, -1 for a zombie; None where the system does not tell."""
    try:
        # proc_pid_stat(5): after the name in brackets comes the state and, 19 fields on, the start in ticks since boot.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return -1 if state[0] in "ZX" else int(state[19]) & 0xFFFF


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace_folder(temporary: Path, final: Path) -> None:
    old = temporary_path(final)
    with contextlib.suppress(FileNotFoundError):
        final.rename(old)
    temporary.rename(final)
    _sync(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _try_lock(handle: int, path: Path) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            # Far past the text, so that the other process can still read who holds the lock.
            os.lseek(handle, 1 << 20, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            return False
        raise StorageError(
            f"cannot lock {path}: this file system has no file locks ({error.strerror})"
        ) from error
    return True


def _holder_sentence(called: str, text: str) -> str:
    try:
        holder = json.loads(text)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["started"]))
        who = f"process {holder['pid']} on {holder['host']}, running since {since},"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return f"{who} is working in {called}: wait until it has finished, stop it, or choose another folder"
