"""What an output says of its origin: found again in every container, and nothing else is changed by it."""

import json

import av
import numpy as np
import pytest

from xdub_core.errors import MediaError
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.origin import (
    EDITED_WITH_AI,
    MADE_BY_AI,
    Origin,
    origin_of_edit,
    stated_source_type,
)
from xdub_core.media.output.source_tracks import SourceTracks
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.video.video_info import scan_video

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
OWN = {"title": "Ein Film", "artist": "Wir", "comment": "nur für uns\nzweite Zeile"}


def write(path, origin=Origin(), source=None, sound=None):  # noqa: B008 (frozen)
    info = None if source is None else scan_video(source).info
    tracks = None if info is None else SourceTracks(info, 0.2)
    settings = EncodeSettings(preset="ultrafast")
    with VideoWriter(path, 96, 64, 25, settings, sound, like=info, tracks=tracks, origin=origin) as writer:
        for level in range(5):
            writer.write(np.full((64, 96, 3), 40 * level, np.uint8))
    return path


def source_with(path, tags):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if path.suffix == ".mkv" else "libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        container.metadata.update(tags)
        for level in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 40 * level, np.uint8), "rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def tags_of(path):
    with av.open(str(path), container_options={"export_xmp": "1"}) as container:
        return {name.lower(): value for name, value in container.metadata.items()}


def streams_of(path):
    """Every packet of every stream: its times and its bytes."""
    with av.open(str(path)) as container:
        return [(p.stream.index, p.pts, p.dts, p.duration, bytes(p)) for p in container.demux() if p.size]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_is_found_in_every_container(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}")
    assert stated_source_type(path) == EDITED_WITH_AI
    tags = tags_of(path)
    assert "Edited with AI" in tags["comment"] and EDITED_WITH_AI in tags["comment"]
    if suffix in (".mp4", ".mov"):
        property_ = f"<Iptc4xmpExt:DigitalSourceType>{EDITED_WITH_AI}</Iptc4xmpExt:DigitalSourceType>"
        assert property_ in tags["xmp"]
    else:
        assert tags["digital_source_type"] == EDITED_WITH_AI


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_picture_and_sound_are_the_same_without_it(tmp_path, make_click, suffix):
    sound = AudioTrack(make_click(tmp_path / "a.wav", "pcm_s16le", seconds=0.2, at=0.1))
    marked = write(tmp_path / f"marked{suffix}", sound=sound)
    plain = write(tmp_path / f"plain{suffix}", None, sound=sound)
    assert streams_of(marked) == streams_of(plain)
    assert stated_source_type(plain) is None and "comment" not in tags_of(plain)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_is_the_same_every_time(tmp_path, suffix):
    first, second = (write(tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second


def test_a_marked_mp4_starts_fast_still_and_ends_with_a_whole_box(tmp_path):
    data = write(tmp_path / "a.mp4").read_bytes()
    kinds, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kinds.append(data[at + 4 : at + 8].decode())
        at += size
    assert at == len(data)
    assert kinds.index("moov") < kinds.index("mdat") < kinds.index("uuid") == len(kinds) - 1


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("source", [".mp4", ".mkv"])
def test_what_the_source_says_stays(tmp_path, source, suffix):
    film = source_with(tmp_path / f"in{source}", OWN)
    tags = tags_of(write(tmp_path / f"out{suffix}", source=film))
    assert {name: tags[name] for name in ("title", "artist")} == {"title": "Ein Film", "artist": "Wir"}
    assert tags["comment"] == f"{OWN['comment']}\n{Origin().remark}"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_dub_of_a_dub_says_it_once(tmp_path, suffix):
    film = source_with(tmp_path / "in.mkv", OWN)
    once = write(tmp_path / f"once{suffix}", source=film)
    twice = write(tmp_path / f"twice{suffix}", source=once)
    assert tags_of(twice)["comment"] == tags_of(once)["comment"]


def test_the_remark_of_another_version_is_replaced(tmp_path):
    older = Origin(MADE_BY_AI).remark.replace("X-Dub ", "X-Dub 0.0.9-")
    assert Origin().tags({"COMMENT": f"mine\n{older}\nyours"}, "matroska")["COMMENT"].split("\n") == [
        "mine", "yours", Origin().remark,
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_workflow_in_the_comment_can_still_be_read(tmp_path, suffix):
    workflow = {"prompt": {"3": {"class_type": "X", "inputs": {"text": '"ü"\n', "cfg": 2.5}}}, "none": None}
    film = source_with(tmp_path / "in.mkv", {"comment": json.dumps(workflow)})
    once = write(tmp_path / f"once{suffix}", source=film)
    told = json.loads(tags_of(write(tmp_path / f"twice{suffix}", source=once))["comment"])
    assert EDITED_WITH_AI in told.pop("digital_source_type")
    assert told == workflow
    assert stated_source_type(once) == EDITED_WITH_AI


@pytest.mark.parametrize(("suffix", "stays"), [(".mp4", True), (".mkv", True), (".mov", False)])
def test_a_comment_that_quicktime_cannot_count_never_hides_the_mark(tmp_path, caplog, suffix, stays):
    film = source_with(tmp_path / "in.mkv", {"comment": "x" * 70_000})
    tags = tags_of(write(tmp_path / f"out{suffix}", source=film))
    assert tags["comment"].endswith(Origin().remark)
    assert tags["comment"].startswith("x" * 70_000) is stays
    assert ("too long for .mov files" in caplog.text) is not stays


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_ai_made_altogether_stays_that(tmp_path, suffix):
    film = write(tmp_path / f"made{suffix}", Origin(MADE_BY_AI))
    assert origin_of_edit(film) == Origin(MADE_BY_AI)
    assert stated_source_type(write(tmp_path / "out.mkv", origin_of_edit(film), film)) == MADE_BY_AI


def test_what_a_camera_made_is_edited_now(tmp_path):
    camera = EDITED_WITH_AI.replace("compositeWithTrainedAlgorithmicMedia", "digitalCapture")
    film = source_with(tmp_path / "in.mkv", {"DIGITAL_SOURCE_TYPE": camera})
    assert stated_source_type(film) == camera
    assert origin_of_edit(film) == Origin(EDITED_WITH_AI)
    assert tags_of(write(tmp_path / "out.mkv", source=film))["digital_source_type"] == EDITED_WITH_AI


def test_what_is_no_video_states_nothing(tmp_path):
    (tmp_path / "a.txt").write_text(EDITED_WITH_AI)
    for name in ("a.txt", "none.mp4", "%04d.png"):
        with pytest.raises(MediaError):
            stated_source_type(tmp_path / name)
        assert origin_of_edit(tmp_path / name) == Origin(EDITED_WITH_AI)
