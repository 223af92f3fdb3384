"""Names and places that are hostile themselves, and files that point to other files or to the network."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fuzz_bytes import boxes
from fuzz_seeds import Seed


@dataclass
class Trap:
    """What a file must not lead to: a film beside the footage, and an address that listens."""

    canary: Path
    port: int
    visits: list[bytes] = field(default_factory=list)


@contextmanager
def trap(canary: Path, seed: Seed) -> Iterator[Trap]:
    """Lay the film and listen meanwhile; `visits` are the first bytes of who came."""
    canary.write_bytes(seed.data)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        set_up, done = Trap(canary, server.getsockname()[1]), threading.Event()

        def listen() -> None:
            while not done.is_set():
                try:
                    visitor, _ = server.accept()
                except TimeoutError:
                    continue
                with visitor:
                    visitor.settimeout(0.5)
                    try:
                        set_up.visits.append(visitor.recv(200))
                    except OSError:
                        set_up.visits.append(b"")

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield set_up
        finally:
            done.set()
            thread.join()


def reference(r: Random, seeds: dict[str, Seed], set_up: Trap) -> bytes:
    """A playlist or script, of which FFmpeg knows many, that names the canary or the address; or an MP4 that does."""
    away = f"http://127.0.0.1:{set_up.port}/{r.getrandbits(32):08x}.ts"
    beside = os.path.relpath(set_up.canary, set_up.canary.parent / "x")
    near = r.choice((str(set_up.canary), f"file:{set_up.canary}", beside))
    target = r.choice(
        (away, near, f"concat:{near}|{near}", f"subfile,,start,0,end,0,,:{near}", f"crypto:{near}")
    )
    texts = (
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
        f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
        f"ffconcat version 1.0\nfile '{target}'\nduration 1\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S">'
        f'<Period><AdaptationSet contentType="video"><Representation id="0" mimeType="video/mp4" bandwidth="1">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {set_up.port} RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        f"[Reference]\nRef1={target}\n",
        f'<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
        f"rtsptext\n{target}\n",
        "# VobSub index file, v7\nsize: 720x576\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 000000000\n"
        f"# {target}\n",
    )
    way = r.randrange(len(texts) + 1)
    if way < len(texts):
        return texts[way].encode()
    data = bytearray(seeds["mp4"].data)  # ISO 14496-12: a data reference that is not "in this file"
    for box in boxes(seeds["mp4"].data):
        if box.kind == b"dref":
            data[box.body + 12 : box.body + 20] = r.choice((b"url \0\0\0\0", b"alis\0\0\0\0"))
    return bytes(data)


def special(r: Random, folder: Path, stem: str, seeds: dict[str, Seed]) -> Path:
    """A pipe, a socket, a device, a link to one, to itself, to nothing or to a folder; a name of control characters."""
    data = seeds["mp4 index first"].data + r.randbytes(8)
    ways: tuple[Callable[[Path], object], ...] = (
        os.mkfifo,
        _bound,
        lambda p: p.symlink_to("/dev/zero"),
        lambda p: p.symlink_to("/dev/tty"),
        lambda p: p.symlink_to(p.name),
        lambda p: p.symlink_to("nothing-there.mp4"),
        lambda p: p.symlink_to("/proc/self/mem"),
    )
    names = (
        f"{stem}\n two lines.mp4", f"{stem}\x1b[31m red.mp4", f"{stem} ' \" ; $(true) `true` %s.mp4",
        f"-{stem}.mp4", f"{stem} {'long ' * 40}.mp4", f"{stem} \u202egnp.mp4", f"{stem}*?[a].mp4", f"{stem}|http:.mp4",
    )  # fmt: skip
    way = r.randrange(len(ways) + len(names) + 1)
    if way < len(ways):
        path = folder / f"{stem}.mp4"
        ways[way](path)
        return path
    if way == len(ways):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + stem.encode() + b"\xff\xfe\xe9.mp4"))
    else:
        path = folder / names[way - len(ways) - 1]
    path.write_bytes(data)
    return path


def _bound(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # the address of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)
