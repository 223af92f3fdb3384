"""Says what can be seen and heard in the clips of a dataset: attributes, actions, captions, each with who said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facevid.annotate.session import Annotated, annotate

__all__ = ["Annotated", "annotate"]


def __getattr__(name: str) -> Any:
    # Looked up on first use: the measures load OpenCV, which a part of this room may not need.
    if name not in __all__:
        raise AttributeError(
            f"module 'facevid.annotate' has no attribute {name!r}; it offers {', '.join(__all__)}"
        )
    from facevid.annotate import session

    return getattr(session, name)
