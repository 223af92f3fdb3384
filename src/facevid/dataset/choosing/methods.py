"""What a Dataset offers for choosing clips: fractions, balanced choices, splits, and choices saved before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from facevid.dataset.choosing import subsets
from facevid.dataset.choosing.strata import Of

if TYPE_CHECKING:
    from facevid.dataset.choosing.subsets import Split
    from facevid.dataset.dataset import Dataset


class Choosing:
    """Choices of a dataset's clips. `by` names attributes, columns of `clips` or `sources`, or SQL expressions.

    Numbers are gone by in bands: age in tens of years, others in four with as many clips each; give an expression,
    such as "floor(sharpness)", for others. A value that nobody knows is a stratum of its own. All chance comes from
    the SHA-256 of seed and clip id, so a choice is the same on every machine and in every order of the clips.
    """

    def fraction(self, p: float, seed: int = 0, *, by: Sequence[str] = (), of: Of = "clips") -> Dataset:
        """A share `p` (0 to 1) of the clips; a smaller share of the same seed, `by` and `of` lies inside a larger one.

        by: what to stratify by: each combination of values has its share to within one unit. of: what is counted,
        "clips", "hours" or "persons"; a person is taken with all clips, and clips of nobody known with those of their
        source. For example `ds.fraction(0.1, seed=1, by=["gender", "emotion"])`.
        """
        return subsets.fraction(self._dataset, p, seed, by=by, of=of)

    def balanced(
        self,
        by: Sequence[str],
        *,
        each: float | None = None,
        seed: int = 0,
        of: Of = "clips",
        thin: Literal["keep", "leave", "error"] = "keep",
        unknown: Literal["leave", "keep"] = "leave",
    ) -> Dataset:
        """Equal numbers of clips, hours or persons of every combination of values.

        each: how many of each, None for as many as the thinnest has. thin: combinations with fewer "keep" what they
        have, are "left" out (`"leave"`), or are an "error"; a warning (`ThinCells`) names them, and combinations that
        no clip has. unknown: clips of which a value is unknown are left out ("leave") or are combinations of their own
        ("keep"). A smaller `each` lies inside a larger one.
        """
        return subsets.balanced(self._dataset, by, each=each, seed=seed, of=of, thin=thin, unknown=unknown)

    def split(
        self,
        parts: Sequence[float],
        seed: int = 0,
        *,
        by: Sequence[str] = (),
        names: Sequence[str] | None = None,
        of: Of = "clips",
        keep_sources: bool = False,
        unknown: Literal["together", "apart", "leave"] = "together",
    ) -> Split:
        """Parts with no person on two sides: a dict of datasets by `names`, with `.save(name)`.

        parts: shares that add up to 1, of the clips, hours or persons (`of`). names: train, validation and test, or
        train and test for two. by: values whose shares should be the same in all parts, as far as whole persons allow.
        keep_sources: also people who share a source stay together; otherwise two people of one interview may part.
        unknown: clips of nobody known stay "together" with everybody who is known in their source, since they may show
        them; or are a group of their own for each source ("apart"), or "leave": they are in no part.
        Raises DatasetError with fewer people than parts; warns (`UnevenSplit`) where sizes cannot be met with whole
        people.
        """
        return subsets.split(
            self._dataset, parts, seed, by=by, names=names, of=of, keep_sources=keep_sources, unknown=unknown
        )

    def save(self, name: str) -> Path:
        """Save the ids of these clips, in their order, in the dataset's folder `subsets`, or as a file (`x.json`)."""
        return subsets.save(self._dataset, name)

    def subset(
        self, name: str, part: str | None = None, *, missing: Literal["error", "leave"] = "error"
    ) -> Dataset:
        """The clips of a saved subset, by its name or the path of its file; of a split, those of one part.

        missing: clips that are not here are an "error" that names them, or are left out ("leave"). Raises DatasetError
        too for a file that is damaged or was changed.
        """
        return subsets.subset(self._dataset, name, part, missing=missing)

    def saved_split(self, name: str, *, missing: Literal["error", "leave"] = "error") -> Split:
        """All parts of a saved split, as `split` gave them."""
        return subsets.saved_split(self._dataset, name, missing=missing)

    def saved(self) -> list[str]:
        """The names of the subsets and splits saved in the dataset's folder."""
        return subsets.saved(self._dataset)

    @property
    def _dataset(self) -> Dataset:
        return cast("Dataset", self)
