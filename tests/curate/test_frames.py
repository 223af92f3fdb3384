"""The per-frame record of an analysis, written and read back for one stretch of one track."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from facevid.curate.faces import Seen
from facevid.curate.frames import FrameWriter, read_track
from facevid.curate.pose import mesh_box
from facevid.engine import StorageError


def mesh_at(frame: int, face: int) -> NDArray[np.float32]:
    """A mesh that moves by a pixel a frame; faces lie far apart."""
    points = np.random.default_rng(face).uniform(0, 200, (478, 3)).astype(np.float32)
    return points + np.float32([frame + 400 * face, frame / 2, -frame])


def write(
    folder: Path, seen: list[tuple[int, int]], *, scale: float = 1.0, tracks: list[int] | None = None
) -> Path:
    """An analysis in which `seen` lists (frame, face); track k is the k-th entry of `tracks`, a face."""
    writer = FrameWriter(folder / "frames.parquet")
    for frame, face in seen:
        mesh = mesh_at(frame, face)
        writer.write(frame, Seen(face, mesh_box(mesh), mesh, 1.0), (float(frame), float(face), 0.0))
    writer.close()
    faces = tracks if tracks is not None else [0]
    columns: dict[str, list[float]] = {
        "track": list(range(len(faces))),
        "face": [*faces],
        "scale": [scale] * len(faces),
    }
    for name, end in (("first_frame", min), ("last_frame", max)):
        columns[name] = [end(frame for frame, face in seen if face == one) for one in faces]
    pq.write_table(pa.table(columns), folder / "tracks.parquet")
    return folder


def test_what_was_written_is_read_back_to_a_sixteenth_of_a_pixel(tmp_path: Path) -> None:
    write(tmp_path, [(n, 0) for n in range(20)])
    read = read_track(tmp_path, track=0, first_frame=3, last_frame=7)
    assert read.frame.tolist() == [3, 4, 5, 6, 7]
    assert read.mesh.shape == (5, 478, 3) and read.mesh.dtype == np.float32
    expected = np.stack([mesh_at(n, 0) for n in range(3, 8)])
    assert np.abs(read.mesh - expected).max() <= 1 / 16
    np.testing.assert_array_equal(read.pose[:, 0], [3, 4, 5, 6, 7])


def test_the_box_is_around_the_face_without_the_irises(tmp_path: Path) -> None:
    write(tmp_path, [(n, 0) for n in range(3)])
    read = read_track(tmp_path, track=0, first_frame=0, last_frame=2)
    np.testing.assert_allclose(read.box[2], mesh_box(mesh_at(2, 0)), atol=1 / 16)


def test_points_are_in_pixels_of_the_source_where_a_smaller_picture_was_analysed(tmp_path: Path) -> None:
    write(tmp_path, [(n, 0) for n in range(3)], scale=1 / 3)
    read = read_track(tmp_path, track=0, first_frame=0, last_frame=2)
    np.testing.assert_allclose(read.mesh[1], 3 * mesh_at(1, 0), atol=3 / 16)


def test_a_track_holds_its_own_face_only(tmp_path: Path) -> None:
    write(tmp_path, [(n, face) for n in range(6) for face in (0, 1)], tracks=[1, 0])
    read = read_track(tmp_path, track=0, first_frame=0, last_frame=5)
    assert np.abs(read.mesh[4] - mesh_at(4, 1)).max() <= 1 / 16
    np.testing.assert_array_equal(read.pose[:, 1], [1] * 6)


def test_frames_in_which_the_mesh_was_lost_lie_between_their_neighbours(tmp_path: Path) -> None:
    write(tmp_path, [(n, 0) for n in range(12) if n not in (4, 5, 6)])
    read = read_track(tmp_path, track=0, first_frame=2, last_frame=9)
    assert read.frame.tolist() == list(range(2, 10))
    # The mesh moves evenly, so what is filled in is what was lost.
    expected = np.stack([mesh_at(n, 0) for n in range(2, 10)])
    assert np.abs(read.mesh - expected).max() <= 1 / 16 + 1e-4
    np.testing.assert_allclose(read.pose[:, 0], range(2, 10), atol=1e-5)
    np.testing.assert_allclose(read.box[:, 0], expected[:, :468, 0].min(axis=1), atol=1 / 8)


def test_a_stretch_may_begin_and_end_where_the_mesh_was_lost(tmp_path: Path) -> None:
    write(tmp_path, [(n, 0) for n in range(30) if n not in (9, 10, 11, 19, 20, 21, 22)])
    read = read_track(tmp_path, track=0, first_frame=10, last_frame=20)
    assert read.frame.tolist() == list(range(10, 21))
    expected = np.stack([mesh_at(n, 0) for n in range(10, 21)])
    assert np.abs(read.mesh - expected).max() <= 1 / 16 + 1e-4
    np.testing.assert_allclose(read.pose[:, 0], range(10, 21), atol=1e-5)


def test_a_gap_is_not_filled_from_another_track_of_the_same_face(tmp_path: Path) -> None:
    write(tmp_path, [(n, 0) for n in range(30) if n != 15])
    whole = pq.read_table(tmp_path / "tracks.parquet")
    two = {name: whole[name].to_pylist() * 2 for name in whole.column_names}
    two |= {"track": [0, 1], "first_frame": [0, 15], "last_frame": [14, 29]}
    pq.write_table(pa.table(two), tmp_path / "tracks.parquet")
    with pytest.raises(ValueError, match="lacks frame 15"):
        read_track(tmp_path, track=1, first_frame=15, last_frame=20)


def test_more_frames_than_a_group_are_all_there(tmp_path: Path) -> None:
    write(tmp_path, [(n, 0) for n in range(600)])
    read = read_track(tmp_path, track=0, first_frame=0, last_frame=599)
    np.testing.assert_array_equal(read.pose[:, 0], np.arange(600))


@pytest.mark.parametrize("span", [(0, 12), (5, 20), (30, 40)])
def test_frames_beyond_the_track_are_refused_with_their_numbers(
    tmp_path: Path, span: tuple[int, int]
) -> None:
    write(tmp_path, [(n, 0) for n in range(3, 16)])
    with pytest.raises(ValueError, match=f"from frame 3 to 15, not over {span[0]} to {span[1]}"):
        read_track(tmp_path, track=0, first_frame=span[0], last_frame=span[1])


def test_a_track_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [(0, 0)])
    with pytest.raises(ValueError, match="no track 7"):
        read_track(tmp_path, track=7, first_frame=0, last_frame=0)


def test_an_analysis_without_faces_can_be_written(tmp_path: Path) -> None:
    write(tmp_path, [], tracks=[])
    assert len(pq.read_table(tmp_path / "frames.parquet")) == 0


@pytest.mark.parametrize("name", ["tracks.parquet", "frames.parquet"])
@pytest.mark.parametrize("left", [b"", bytes(4000)])
def test_a_damaged_analysis_stops_the_run_and_names_the_folder_to_delete(
    tmp_path: Path, name: str, left: bytes
) -> None:
    write(tmp_path, [(frame, 0) for frame in range(10)])
    (tmp_path / name).write_bytes(left)
    with pytest.raises(StorageError, match=rf"{tmp_path / name} is damaged \(.*delete {tmp_path}, and"):
        read_track(tmp_path, track=0, first_frame=2, last_frame=5)
