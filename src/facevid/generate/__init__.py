"""Video models from a dataset: autoencoder, text-to-video and image-to-video, training and sampling.

Called, the room samples: `facevid.generate(model, prompt, output="out.mp4")` is `facevid.generate.pipeline.generate`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    # The room and the library call have one name, and importing anything of the room makes that name the module's.
    def __call__(self, *args: Any, **options: Any) -> Any:
        from facevid.generate.pipeline import generate

        return generate(*args, **options)


sys.modules[__name__].__class__ = _Room
