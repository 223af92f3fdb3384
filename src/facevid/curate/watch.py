"""Shows a piece of a source to the looker, frame by frame, and notes what a join with the next piece must know."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np

from facevid import media
from facevid.curate import quality
from facevid.curate.look import Looker
from facevid.curate.parts import Piece, overlap_frames, warm_up_frames
from facevid.curate.shots import ShotDetector, Signs, lead_in
from facevid.engine import worker_threads
from facevid.recipe import Recipe

CUT, SHOT, END = "cut", "shot", "end"


@dataclass(frozen=True)
class Watched:
    """A piece that was looked at; frames are numbers on the grid of the whole source.

    begin: first frame read; `signs` are those of it and all that follow. first, end: the frames from `first` to
    `end` - 1 count, both 0 where there are none. ending: CUT where `end` is a new picture, SHOT where the next piece
    goes on inside a shot (`end` was looked at too), END where the stretch or the source ends. ids_before, ids_at_end:
    face ids given out before `first` and before `end` was looked at. marks: frame -> checksum of its picture and
    timestamp, where the neighbours read the same frames. width, height: displayed pixels of the source; scale: analysed
    pixels per source pixel.
    """

    piece: Piece
    begin: int
    first: int
    end: int
    ending: str
    ids_before: int
    ids_at_end: int
    width: int
    height: int
    scale: float
    stopped: str | None
    skipped: int
    signs: Signs = field(default_factory=Signs)
    marks: dict[int, int] = field(default_factory=dict)

    @property
    def broke_off(self) -> bool:
        """The source ended before the place where the next piece was to go on."""
        return self.piece.goes_on and self.ending == END


def watch_piece(path: str, piece: Piece, looker: Looker, recipe: Recipe) -> Watched:
    """Look at a piece, from a lead-in before it where it begins inside its stretch; raises MediaError.

    A new picture makes the looker forget all it knew. So where there is one in the overlap behind a bound, one piece
    ends and the next begins there, and both saw what one pass would have seen. Where there is none, the next piece
    begins at the overlap's end, after a warm-up.
    """
    lead, overlap = lead_in(recipe.shots), overlap_frames(recipe)
    latest_first = piece.first + overlap
    warm_up_at = latest_first - warm_up_frames(recipe)
    nominal_end = piece.end if piece.goes_on and piece.end is not None else None
    latest_end = None if nominal_end is None else nominal_end + overlap
    shots = ShotDetector(recipe.shots, recipe.fps)
    begin, first, end, ending = None, None, None, END
    ids_before, ids_at_end, last, scale = looker.faces_so_far, None, -1, 1.0
    looking = not piece.inside
    marks: dict[int, int] = {}
    with media.VideoReader(
        path,
        fps=recipe.fps,
        max_side=recipe.analyze.max_side,
        threads=worker_threads(),
        start_frame=max(0, piece.first - lead) if piece.inside else piece.first,
        end_frame=piece.end if latest_end is None else latest_end + 1,
        must_seek=piece.inside,
    ) as video:
        for frame in video:
            now, last, scale = frame.index, frame.index, frame.scale
            small = quality.small_picture(frame.image)
            new_picture = shots.push(quality.halved(small))
            begin = now if begin is None else begin
            if (piece.inside and first is None) or (nominal_end is not None and now >= nominal_end - lead):
                marks[now] = _mark(frame)
            if nominal_end is not None and now >= nominal_end and (new_picture or now == latest_end):
                end, ending, ids_at_end = now, CUT if new_picture else SHOT, looker.faces_so_far
                if new_picture:
                    break
            if not piece.inside:
                if first is None:
                    first, new_picture = now, new_picture or now > 0
            elif first is None:
                begins = now >= piece.first and new_picture
                if not looking and not begins and now < warm_up_at:
                    continue
                new_picture = new_picture or not looking
                looking = True
                if begins or now == latest_first:
                    first, ids_before = now, looker.faces_so_far
            looker.look(now, frame.image, small, new_picture=new_picture)
        stopped = video.stopped_early
        width, height = video.width, video.height
        skipped = video.skipped_between((first or 0) if piece.inside else 0, end)
    end = last + 1 if end is None else end
    return Watched(
        piece, begin or 0, end if first is None else first, end, ending,
        ids_before, looker.faces_so_far if ids_at_end is None else ids_at_end,
        width, height, scale, stopped, skipped, shots.signs, marks,
    )  # fmt: skip


def _mark(frame: media.Frame) -> int:
    return zlib.crc32(np.ascontiguousarray(frame.image).data, zlib.crc32(repr(frame.stamp).encode()))
