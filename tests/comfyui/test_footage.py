"""VIDEO and IMAGE as the engine's frames, and back."""

from fractions import Fraction

import pytest
import torch
from comfy_api.latest import InputImpl, Types
from minis import write_footage

from xdub_core.errors import MediaError
from xdub_core.media.picture.frame import FinishedFrame

pytestmark = pytest.mark.usefixtures("inference")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("images", ("h264", 8)), ("8 bits", ("h264", 8)), ("10 bits", ("hevc", 10)), ("file", ("h264", 8))],
)
def test_a_video_is_as_deep_as_its_source_is_known_to_be(pack, video, kind, expected):
    from xdub_core.media.video.video_info import probe_video

    images = torch.rand(4, 64, 80, 3)
    source = {"images": images, "file": video}.get(kind)
    if source is None:
        components = Types.VideoComponents(images=images, frame_rate=Fraction(25))
        source = InputImpl.VideoFromComponents(components, bit_depth=int(kind.split()[0]))
    footage = pack("comfy_bridge.media.footage").footage(source)
    made = pack("comfy_bridge.media.result").video_of(map(FinishedFrame, footage.slots()), footage, [], 16)
    info = probe_video(made.get_stream_source())
    assert (info.codec, info.bit_depth) == expected


def test_pictures_of_any_depth_come_back_as_pictures(pack):
    images = torch.rand(4, 64, 80, 3)
    footage = pack("comfy_bridge.media.footage").footage(images)
    again = pack("comfy_bridge.media.result").image_of(map(FinishedFrame, footage.slots()), 4, footage)
    assert (again - images).abs().max() <= 0.51 / 65535


def test_a_video_in_memory_leaves_no_file_behind(pack, tmp_path):
    import gc
    import io

    footage, temporary = (
        pack("comfy_bridge.media.footage"),
        pack("comfy_bridge.media.footage").temporary_path("").parent,
    )
    before = set(temporary.iterdir())
    content = write_footage(tmp_path / "in.mp4", 5).read_bytes()
    made = footage.footage(InputImpl.VideoFromFile(io.BytesIO(content)))
    assert len(list(made.slots())) == 5
    assert len(set(temporary.iterdir()) - before) == 1
    del made
    gc.collect()
    assert set(temporary.iterdir()) == before
    for damaged in (b"no video at all" * 99, content[:300]):
        with pytest.raises(MediaError):
            footage.footage(InputImpl.VideoFromFile(io.BytesIO(damaged)))
    assert set(temporary.iterdir()) == before
