"""Which windows a loader's batches hold: the order of an epoch, cut into the batches of one rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facevid.dataset.loading.order import Floats, Ints, Order, Step, epoch_order, random_words, steps
from facevid.dataset.loading.samples import Pick, Request

_INSTEAD = 8  # clips that may take the place of one that cannot be read


@dataclass(frozen=True)
class Plan:
    """What decides the batches of every epoch; see `epoch_order` and `steps` for its fields."""

    clips: int
    seed: int
    batch_size: int
    rank: int
    world_size: int
    drop_last: bool
    weights: Floats | None
    bucket: Ints | None
    replace: bool

    @property
    def together(self) -> int:
        """Clips of one batch on all ranks."""
        return self.batch_size * self.world_size

    def order(self, epoch: int) -> Order:
        return epoch_order(
            self.clips,
            seed=self.seed,
            epoch=epoch,
            weights=self.weights,
            bucket=self.bucket,
            step=self.together,
        )

    def steps(self, order: Order, position: int = 0) -> list[Step]:
        return steps(
            order,
            size=self.batch_size,
            world_size=self.world_size,
            drop_last=self.drop_last,
            position=position,
        )

    def requests(self, order: Order, wanted: Sequence[Step], epoch: int) -> Iterator[Request]:
        """The batches of this rank, each made when it is asked for."""
        for step in wanted:
            places = step.of_rank(self.rank, self.world_size)
            yield Request(tuple(self._pick(order, place, epoch) for place in places))

    def _pick(self, order: Order, place: int, epoch: int) -> Pick:
        row, repeat = int(order.rows[place]), int(order.repeat[place])
        chance = (self.seed, epoch, repeat)
        if not self.replace:
            return Pick(row, chance)
        words = random_words(_INSTEAD, "instead", self.seed, epoch, place)
        others = None if self.bucket is None else self._alike[int(self.bucket[row])]
        many = self.clips if others is None else len(others)
        drawn = [int(word) % many for word in words]
        instead = dict.fromkeys(drawn if others is None else others[drawn].tolist())
        instead.pop(row, None)
        return Pick(row, chance, tuple(instead))

    @cached_property
    def _alike(self) -> list[Ints]:
        """The clips of each bucket."""
        assert self.bucket is not None
        return [np.flatnonzero(self.bucket == number) for number in range(int(self.bucket.max()) + 1)]
