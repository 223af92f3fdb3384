"""How a command ends: the exit codes, and the sentence and code that belong to each error."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from dataclasses import dataclass
from typing import Any

import typer

OK = 0
SOME_FAILED = 1
WRONG_INPUT = 2
BUSY = 3
STORAGE = 4
BUG = 70
INTERRUPTED = 130

EXIT_CODES: dict[int, str] = {
    OK: "all went well",
    SOME_FAILED: "finished, but some items failed (they are listed, and the rest is there)",
    WRONG_INPUT: "wrong usage, recipe, footage, dataset folder or installation; nothing was changed",
    BUSY: "another run works on this dataset folder",
    STORAGE: "the disk is full or cannot be written or read",
    BUG: "a fault of facevid itself",
    INTERRUPTED: "stopped by Ctrl-C; the same command goes on",
}
EXIT_CODES_HELP = (
    "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."
)

# By class name, and the most derived class wins: naming them here loads none of the rooms that define them.
_CODES = {
    "FolderBusy": BUSY,
    "StorageError": STORAGE,
    "FacevidError": WRONG_INPUT,
    "EngineError": WRONG_INPUT,
    "MediaError": WRONG_INPUT,
    "BackendError": WRONG_INPUT,
    "DatasetError": WRONG_INPUT,
}
_STORAGE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


@dataclass(frozen=True)
class Ending:
    """One way to end: the exit code, the sentence for stderr, and the shown error if it prints itself."""

    code: int
    sentence: str
    usage: Any = None


def ending_of(error: BaseException) -> Ending | None:
    """The ending that belongs to an error, or None where the error is no matter of ours (SystemExit)."""
    if isinstance(error, SystemExit | GeneratorExit):
        return None
    if isinstance(error, KeyboardInterrupt | typer.Abort) or _stopped_query(error):
        return Ending(INTERRUPTED, "Stopped. Run the same command again to go on.")
    if isinstance(error, typer.Exit):
        return Ending(int(error.exit_code), "")
    if hasattr(error, "show") and hasattr(error, "exit_code"):
        return Ending(WRONG_INPUT, str(error), usage=error)
    code = next((_CODES[base.__name__] for base in type(error).__mro__ if base.__name__ in _CODES), None)
    if code is not None:
        return Ending(code, str(error))
    if isinstance(error, ImportError):
        return Ending(WRONG_INPUT, _import_sentence(error))
    if isinstance(error, OSError) and error.errno in _STORAGE_ERRNOS:
        where = f" ({error.filename})" if error.filename else ""
        what = os.strerror(error.errno)
        return Ending(
            STORAGE, f"{what}{where}. Make room or choose another folder, then run the same command again."
        )
    if isinstance(error, FileExistsError) and error.errno is None:
        return Ending(WRONG_INPUT, str(error))
    if isinstance(error, FileNotFoundError) and error.filename:
        return Ending(WRONG_INPUT, f"There is no {error.filename}. Check the path.")
    return Ending(
        BUG,
        f"facevid itself failed ({type(error).__name__}: {error}). What was finished is kept. Run the "
        "command again with --debug and report what it shows.",
    )


def _stopped_query(error: BaseException) -> bool:
    # A Ctrl-C in the middle of a query is DuckDB's, which raises this in place of KeyboardInterrupt.
    return type(error) is RuntimeError and str(error) == "Query interrupted"


def _import_sentence(error: ImportError) -> str:
    if ".so" in str(error):
        # pip lets opencv-contrib-python, which mediapipe requires, overwrite the headless build.
        return (
            f"A library does not load on this machine ({error}). If it is OpenCV that wants it, run: "
            "pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless && "
            "pip install --no-deps 'opencv-python-headless<4.12' "
            "(or, on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0)."
        )
    return f"The installation is not complete ({error}). Run: pip install --force-reinstall facevid"


def write_error(ending: Ending, *, as_json: bool, traceback_of: BaseException | None) -> None:
    """Print the sentence to stderr, the traceback first if wanted; under --json a document to stdout."""
    if not ending.sentence:
        return
    if traceback_of is not None:
        traceback.print_exception(
            type(traceback_of), traceback_of, traceback_of.__traceback__, file=sys.stderr
        )
    if ending.usage is not None:
        ending.usage.show(file=sys.stderr)
    elif ending.code == INTERRUPTED:
        print(f"\n{ending.sentence}", file=sys.stderr)
    else:
        print(f"facevid: {ending.sentence}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": ending.sentence, "exit_code": ending.code}, ensure_ascii=False))
