"""HDR is refused with a command that works as it is printed."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xdub_core.errors import MediaError
from xdub_core.media.picture.color import ColorTags
from xdub_core.media.video.hdr import check_hdr, tone_mapping_command
from xdub_core.media.video.reader import VideoReader
from xdub_core.media.video.video_info import VideoInfo, probe_video

PQ, HLG = ColorTags(9, 16, 9, 1), ColorTags(9, 18, 9, 1)
unix = pytest.mark.skipif(sys.platform == "win32", reason="another shell")


def facts(name, color=PQ, width=96, height=64):
    return VideoInfo(Path(name), width, height, 25, 1, 25, "hevc", color=color)


@pytest.mark.parametrize("tags", [PQ, HLG])
def test_hdr_is_refused_in_one_line(tmp_path, make_video, numbered, tags):
    path = make_video(tmp_path / "a.mp4", numbered(3), codec="libx265", pixel_format="yuv420p10le", tags=tags)
    with pytest.raises(MediaError, match=r"HDR.*ffmpeg.*tonemap") as caught:
        VideoReader(path)
    assert "\n" not in str(caught.value)


def test_other_light_is_taken():
    check_hdr(facts("a.mp4", ColorTags(1, 1, 1, 1)))


@pytest.mark.parametrize(
    ("name", "target", "sound"),
    [
        ("a.mov", "a.sdr.mov", "copy"),  # PCM stays in its container
        ("a.mp4", "a.sdr.mp4", "copy"),
        ("a.mkv", "a.sdr.mkv", "copy"),
        ("a.webm", "a.sdr.mkv", "flac"),
        ("a.m2ts", "a.sdr.mkv", "flac"),
    ],
)
def test_the_sound_goes_where_its_container_takes_it(name, target, sound):
    command = tone_mapping_command(facts(name))
    assert command[-1] == target
    assert command[command.index("-c:a") + 1] == sound
    assert "-n" in command  # nothing is replaced


@unix
@pytest.mark.parametrize(
    "name", ["a  b.mov", 'it\'s "so".mov', "$HOME `ls`.mov", "-i.mov", "a:b.mov", "100%.mov"]
)
def test_names_reach_ffmpeg_as_they_are(name):
    with pytest.raises(MediaError) as caught:
        check_hdr(facts(name))
    words = shlex.split(str(caught.value).partition("make it SDR first: ")[2])
    assert words == tone_mapping_command(facts(name))
    given, made = words[words.index("-i") + 1], words[-1]
    assert given.removeprefix("file:") == name
    assert not given.startswith("-") and not made.startswith("-")


@unix
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg, as the advice does")
@pytest.mark.parametrize("tags", [PQ, HLG, ColorTags(transfer=16), ColorTags(1, 16, 2, 2)])
def test_the_command_works(tmp_path, make_video, numbered, tags):
    source = make_video(tmp_path / "it's  so.mkv", numbered(3), tags=tags)
    with pytest.raises(MediaError) as caught:
        VideoReader(source)
    command = str(caught.value).partition("make it SDR first: ")[2]
    done = subprocess.run(["bash", "-c", command], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if b"No such filter" in done.stderr:
        pytest.skip("this ffmpeg has no zscale")
    assert done.returncode == 0, done.stderr[-500:]
    made = probe_video(tmp_path / "it's  so.sdr.mkv")
    assert (made.color.hdr, made.color.transfer, made.frames) == (None, 1, 3)
