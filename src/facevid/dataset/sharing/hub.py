"""Pushes a dataset to a repository of the Hugging Face hub; files that are there are not sent again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from facevid.dataset.dataset import Dataset
from facevid.dataset.published import MANIFEST, DatasetError
from facevid.dataset.sharing.outbox import is_ours
from facevid.dataset.sharing.pushing import Pushed, checked, plain_manifest
from facevid.dataset.sharing.travelling import beside_files

_PREFIX = "hf://datasets/"
FILES_A_COMMIT = 100  # the hub advises against many more


def push_to_hub(
    dataset: Dataset,
    target: str,
    *,
    private: bool,
    options: Mapping[str, Any],
    on_progress: Callable[[int, int], None] | None = None,
) -> Pushed:
    """Push to `hf://datasets/ORG/NAME`, which is made if it is not there.

    Media, keypoints and tables are uploaded one after the other; what was uploaded before a push broke off the hub
    knows by its SHA-256. Files under new names are committed by and by, up to a hundred at a time; the last commit has
    `dataset.json`, the card and everything that replaces or removes a file, so that no reader finds a mixture.
    """
    repository = _repository(target)
    with _told(target, options.get("token")):
        return _Push(dataset, repository, target, options).run(private, on_progress)


class _Push:
    def __init__(self, dataset: Dataset, repository: str, target: str, options: Mapping[str, Any]) -> None:
        from huggingface_hub import HfApi

        self._api = HfApi(endpoint=options.get("endpoint"), token=options.get("token"))
        self._dataset, self._repository, self._target = dataset, repository, target

    def run(self, private: bool, on_progress: Callable[[int, int], None] | None) -> Pushed:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        self._api.create_repo(self._repository, repo_type="dataset", private=private, exist_ok=True)
        there = self._there()
        if there and MANIFEST not in there and any(not is_ours(n) and n not in _OF_A_NEW_ONE for n in there):
            raise DatasetError(f"{self._target} is not empty and not a dataset; name another repository.")
        manifest = plain_manifest(self._dataset.manifest)
        total, done, sent = sum(f.bytes for f in manifest.files), 0, 0
        fresh: list[Any] = []
        last: list[Any] = []
        for stored, file in zip(self._dataset.manifest.files, manifest.files, strict=True):
            if there.get(file.path) != file.sha256:
                path = checked(self._dataset.folder, stored)
                addition = CommitOperationAdd(file.path, str(path))
                self._api.preupload_lfs_files(
                    self._repository, [addition], repo_type="dataset", num_threads=1, free_memory=False
                )
                sent += 1
                (last if file.path in there else fresh).append(addition)
                if len(fresh) == FILES_A_COMMIT:
                    self._commit(fresh, "Add files of a dataset")
                    fresh = []
            done += file.bytes
            if on_progress:
                on_progress(done, total)
        listed = {f.path for f in manifest.files}
        small = {**beside_files(self._dataset.storage), MANIFEST: manifest.dumps().encode()}
        listed |= set(small)
        last += [CommitOperationDelete(name) for name in there if is_ours(name) and name not in listed]
        last += [CommitOperationAdd(name, data) for name, data in small.items()]
        self._commit([*fresh, *last], f"Publish {self._dataset.name}")
        return Pushed(self._target, len(manifest.files), total, sent)

    def _commit(self, operations: Iterable[Any], message: str) -> None:
        self._api.create_commit(
            self._repository, operations, commit_message=message, repo_type="dataset", num_threads=1
        )

    def _there(self) -> dict[str, str | None]:
        """The files of the repository and, where it knows, their SHA-256."""
        from huggingface_hub.hf_api import RepoFile

        tree = self._api.list_repo_tree(self._repository, recursive=True, repo_type="dataset")
        return {e.path: e.lfs.sha256 if e.lfs else None for e in tree if isinstance(e, RepoFile)}


_OF_A_NEW_ONE = (".gitattributes", "README.md", "LICENSE")


def _repository(target: str) -> str:
    name = target.removeprefix(_PREFIX).strip("/")
    if not target.startswith(_PREFIX) or name.count("/") != 1:
        raise DatasetError(f"{target} is no repository for a dataset; it is hf://datasets/ORG/NAME.")
    return name


@contextmanager
def _told(target: str, token: object) -> Iterator[None]:
    """What goes wrong on the way, as a sentence, in which no token stands."""
    try:
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise DatasetError(
            'hf:// needs the package huggingface_hub, which is not installed: pip install "facevid[hub]".'
        ) from None
    expected: tuple[type[Exception], ...] = (
        HfHubHTTPError,
        OSError,
        ValueError,
        RuntimeError,
        *_transport_errors(),
    )
    try:
        yield
    except expected as error:
        # A failed upload is a RuntimeError that only says which file; its cause says why.
        causes = [error, *([error.__cause__] if error.__cause__ is not None else [])]
        text = " ".join(" ".join(str(e) or type(e).__name__ for e in causes).split())
        if isinstance(token, str) and token:
            text = text.replace(token, "***")
        raise DatasetError(
            f"{target} cannot be pushed to ({text}); what was sent is kept: push again to go on. A login is made with "
            "`hf auth login`, or given in HF_TOKEN."
        ) from None


def _transport_errors() -> tuple[type[Exception], ...]:
    """What the HTTP library raises that this release of huggingface_hub goes through; they have changed over time."""
    names = (("httpx2", "HTTPError"), ("httpx", "HTTPError"), ("requests", "RequestException"))
    return tuple(getattr(sys.modules[module], name) for module, name in names if module in sys.modules)
