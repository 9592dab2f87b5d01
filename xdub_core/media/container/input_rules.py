"""What may be opened: files that are on this machine, hold pictures or sound themselves, and can be read repeatedly.

FFmpeg would take much more for a name: addresses, pipes, protocols that join files, and lists of other files (HLS,
DASH, ffconcat, SDP), which it recognises by their content, whatever they are called. A list in disguise would make it
read other files of the machine, or the net, so FFmpeg is told which formats and protocols it may use.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from xdub_core.errors import MediaError

# Demuxers that read nothing but the file they are given. Not among them: lists of other files (concat, dash, hls, imf,
# sdp), devices and scripts (avs, lavfi, vapoursynth), formats that open files beside theirs (mlv, vobsub), pictures
# that link to others (svg), and raw samples, whose size or rate nobody states.
_CONTAINERS = """
    mov matroska avi mpegts mpegtsraw mpeg asf asf_o flv live_flv kux ogg mxf nut gxf wtv rm ivr nsv nuv swf ivf dv lxf
    ty pva pmp dhav lmlm4 yuv4mpegpipe smjpeg cine ser r3d luodat film_cpk filmstrip flic roq bink smk ea 4xm vmd wsvqa
    xmv usm thp mv mvi mxg idcin wc3movie jv anm cdxl dxa iff bfi bethsoftvid c93 siff tmv tiertexseq rl2 yop vivo
    vividas gdv hnm moflex mods paf mtv rpl frm ifv iv8 mm
"""
_BARE_VIDEO = """
    h264 hevc vvc evc m4v mpegvideo h261 h263 vc1 vc1test cavsvideo avs2 avs3 dirac dnxhd obu av1 mjpeg mjpeg_2000
    ingenient ipu apv
"""
_PICTURES = """
    image2 gif apng webp ico jpegxl_anim bmp_pipe brender_pix cri_pipe dds_pipe dpx_pipe exr_pipe gem_pipe gif_pipe
    hdr_pipe j2k_pipe jpeg_pipe jpegls_pipe jpegxl_pipe jpegxs_pipe pam_pipe pbm_pipe pcx_pipe pfm_pipe pgm_pipe
    pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe pictor_pipe png_pipe ppm_pipe psd_pipe qdraw_pipe qoi_pipe sgi_pipe
    sunrast_pipe tiff_pipe vbn_pipe webp_pipe xbm_pipe xpm_pipe xwd_pipe
"""
_SOUND = """
    aac ac3 ac4 eac3 aiff amr amrnb amrwb ape aptx aptx_hd au caf codec2 daud dsf dss dts dtshd flac g722 g726 g726le
    g729 gsm iamf ilbc ircam laf latm loas lc3 mlp truehd mmf mp3 mpc mpc8 msf nistsphere oma osq pvf qcp qoa rka rso
    s337m sbc shn sln sol sox spdif tak tta voc vqf w64 wav wavarc wsd wv wve xa xwma aa aax act adp ads adx aea afc
    aix ast bfstm binka bonk brstm dfpwm epaf fsb fwse genh hca hcom kvag mca mtaf musx nsp rsd sdns sds svag svs txd
    vag vpk wady xvag
"""
_FORMATS = ",".join(f"{_CONTAINERS}{_BARE_VIDEO}{_PICTURES}{_SOUND}".split())

OPEN_OPTIONS = {
    "format_whitelist": _FORMATS,
    "protocol_whitelist": "file",
    "pattern_type": "none",  # a picture called "100%d.png" is that picture
}
"""FFmpeg's options for opening an input; see above."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")  # Path makes one slash of two
_PROTOCOL = re.compile(r"(async|cache|concat|concatf|crypto|data|fd|pipe|subfile|tee|unix)[:,]")
_OPEN_FILES = re.compile(r"-|CON|CONIN\$|(/dev/(stdin|stdout|stderr|fd/\d+)|/proc/[^/]+/fd/\d+)")
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_HEAD_BYTES = 1024
_MOST_BOXES = 100
_LISTS = re.compile(
    rb"ffconcat version|#EXTM3U|\[playlist\]|\[Reference\]|v=0\r?\n|(<\?xml[^>]*>|<!--.*?-->|\s)*"
    rb"<(MPD|playlist|asx|smil|SmoothStreamingMedia|AssetMap|CompositionPlaylist)\b|file '[^\n]*'\s",
    re.IGNORECASE | re.DOTALL,
)


def is_address(path: Path) -> bool:
    """Whether a name is that of something on the net, or of one of FFmpeg's protocols, and not of a file here."""
    name = str(path)
    return bool(_ADDRESS.match(name) or _PROTOCOL.match(name)) and not os.path.lexists(path)


def check_input_path(path: Path) -> None:
    """Refuse what is no ordinary file, at once: opening a pipe would wait for somebody to write into it.

    Raises:
        MediaError: the path is an address, standard input, a pipe, socket or device.
    """
    if _OPEN_FILES.fullmatch(str(path)):
        raise MediaError(
            f"{path}: what comes through standard input or an open file can be read only once; save it as a file and "
            "give its path"
        )
    if is_address(path):
        raise MediaError(
            f"{path}: this is an address, not a file; download it or save it first and give the file's path"
        )
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # whoever opens it tells
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise MediaError(
                f"{path}: this is {name}, which can be read only once; save it as a file and give that"
            )


def has_lost_its_index(path: Path) -> bool:
    """Whether a file begins as MP4 or MOV and lacks the index (moov), which many writers put at the end."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            return _lacks_index(file, end)
    except OSError:
        return False


def _lacks_index(file: BinaryIO, end: int) -> bool:
    place = 0
    seen: list[bytes] = []
    while place + 8 <= end and len(seen) < _MOST_BOXES:
        file.seek(place)
        header = file.read(16)
        size, name = int.from_bytes(header[:4], "big"), header[4:8]
        seen.append(name)
        size = int.from_bytes(header[8:], "big") if size == 1 else size
        place = end if size < 8 else place + size
    return seen[:1] == [b"ftyp"] and b"moov" not in seen


def is_list(path: Path) -> bool:
    """Whether a file begins as playlists and other lists of files do."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return _LISTS.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()) is not None
