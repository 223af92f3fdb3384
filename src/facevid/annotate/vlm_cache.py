"""Answers of a vision-language model, kept in one SQLite file so that a run that was killed asks nothing twice."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from facevid.errors import FacevidError


class VlmError(FacevidError):
    """A run of the captioner cannot go on; the message is a sentence that ends with what to do."""


class AnswerCache:
    """Raw answers by the key of their request, written as each arrives; threads may share it.

    The file holds hashes, answers, token counts and the id of the clip that each is about, so that a takedown finds
    them: no picture, no prompt, no address and no API key.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            with self._db:
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL, clip_id TEXT)"
                )
                if "clip_id" not in {row[1] for row in self._db.execute("PRAGMA table_info(answers)")}:
                    self._db.execute("ALTER TABLE answers ADD COLUMN clip_id TEXT")
        except sqlite3.Error as error:
            raise VlmError(
                f"The cache of answers {path} cannot be used ({error}); move it away, or name another file."
            ) from error

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer kept under `key`, None where there is none."""
        with self._lock:
            row = self._db.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, key: str, answer: dict[str, Any], *, clip_id: str) -> None:
        """Keep an answer about a clip; it is on disk when this returns."""
        with self._lock, self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO answers (key, answer, clip_id) VALUES (?, ?, ?)",
                (key, json.dumps(answer), clip_id),
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
