"""Runs steps over items: worker processes, a ledger of what is finished, whole-or-nothing output files."""

from facevid.engine.executor import EXECUTORS, Executor, check_executor, open_executor
from facevid.engine.files import (
    FolderBusy,
    atomic_dir,
    atomic_path,
    clear_stale,
    file_sha256,
    folder_lock,
    folder_used,
    lock_mark,
    require_space,
    storage_sentence,
    write_json_atomic,
    write_parquet_atomic,
)
from facevid.engine.ledger import Ledger, LedgerError, Run
from facevid.engine.local import LocalExecutor, available_cores
from facevid.engine.progress import Progress, Tally, track
from facevid.engine.step import (
    PASSING,
    EngineError,
    Item,
    Outcome,
    PayloadHasher,
    RecipeLike,
    Rejected,
    Resources,
    SetupError,
    Step,
    StepError,
    StorageError,
    step_hash,
)
from facevid.engine.summary import StepSummary
from facevid.engine.work import has_outputs
from facevid.engine.worker import worker_threads

__all__ = [
    "EXECUTORS",
    "PASSING",
    "EngineError",
    "Executor",
    "FolderBusy",
    "Item",
    "Ledger",
    "LedgerError",
    "LocalExecutor",
    "Outcome",
    "PayloadHasher",
    "Progress",
    "RecipeLike",
    "Rejected",
    "Resources",
    "Run",
    "SetupError",
    "Step",
    "StepError",
    "StepSummary",
    "StorageError",
    "Tally",
    "atomic_dir",
    "atomic_path",
    "available_cores",
    "check_executor",
    "clear_stale",
    "file_sha256",
    "folder_lock",
    "folder_used",
    "has_outputs",
    "lock_mark",
    "open_executor",
    "require_space",
    "step_hash",
    "storage_sentence",
    "track",
    "worker_threads",
    "write_json_atomic",
    "write_parquet_atomic",
]
