"""Face Crop: VIDEO or IMAGE to the face's track, its crops, and a preview."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .inputs import UNCONNECTED

PLACES = [DETECT, BOX, MASK, WHOLE] = ["find it", "box", "mask", "whole frame"]


class FaceCrop(io.ComfyNode):
    """Where the face is, and what it looks like."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubFaceCrop",
            display_name="Face Crop (X-Dub)",
            category=sockets.CATEGORY,
            description="Follows the face through the video and cuts it out, at the model's 25 frames a second. Crops "
            "are cut where something is connected to them, and held in memory, 3 MB a frame at 512 pixels: for videos "
            "of more than a few minutes use Dub Video (X-Dub), which holds none of them.",
            search_aliases=["face tracking", "lip sync", "crop face"],
            inputs=[
                inputs.footage("source"),
                io.Combo.Input(
                    "face",
                    options=PLACES,
                    default=DETECT,
                    tooltip="Where the face is: let the face detector find it, type its box, paint it as a mask, or "
                    "say that the footage is a face crop already.",
                ),
                io.Int.Input(
                    "crop_size",
                    default=512,
                    min=32,
                    max=2048,
                    step=32,
                    tooltip="Pixels of the crops: 512 for the released model; the built-in model says its own.",
                ),
                io.String.Input(
                    "box",
                    default="",
                    placeholder="left, top, right, bottom",
                    tooltip="Only for face = box: the whole head, in pixels of the video.",
                ),
                io.Int.Input(
                    "detect_every",
                    default=1,
                    min=1,
                    max=25,
                    advanced=True,
                    tooltip="Look for the face in every n-th frame only; boxes between are interpolated. Faster for "
                    "calm footage.",
                ),
                inputs.switch(
                    "as_released",
                    False,
                    "Boxes and crops as the release makes them, on whole pixels, to compare. Off is calmer.",
                ),
                inputs.image_fps(),
                sockets.FaceDetector.Input(
                    "face_detector", optional=True, tooltip="What finds the face, for face = find it."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The whole head painted white, for face = mask: one mask for all frames, or one for each.",
                ),
                inputs.person(),
            ],
            outputs=[
                sockets.FaceTrack.Output(
                    display_name="face track", tooltip="Where the face is in every frame."
                ),
                io.Image.Output(display_name="crops", tooltip="The face, 25 times a second."),
                io.Image.Output(display_name="preview", tooltip="Up to 16 frames with the box drawn in."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        face: str | None = None,
        box: str | None = None,
        person: str | None = None,
        face_detector: Any = UNCONNECTED,
        mask: Any = UNCONNECTED,
    ) -> bool | str:
        from xdub_core.errors import FaceError
        from xdub_core.face.boxes import parse_box

        if face == DETECT and face_detector == UNCONNECTED:
            return "connect a face detector (Load Face Detector, or the built-in model's), or set face to box or mask"
        if face == MASK and mask == UNCONNECTED:
            return "face is set to mask, but there is none: connect a mask of the whole head"
        if face == BOX and box is not None:
            try:
                parse_box(box)
            except FaceError as error:
                return str(error)
        return inputs.first_problem(
            inputs.check_choice("face", face, PLACES), inputs.check_person(person) if face == DETECT else True
        )

    @classmethod
    def execute(
        cls,
        source: Any,
        face: str,
        crop_size: int,
        box: str,
        detect_every: int,
        as_released: bool,
        image_fps: float,
        face_detector: Any = None,
        mask: Any = None,
        person: str = "",
    ) -> io.NodeOutput:
        from xdub_core.face.boxes import WholeFrame

        from .comfy_bridge.face_crop import (
            CropSettings,
            boxes_in_mask,
            boxes_in_text,
            crops_on_demand,
            find_face,
            preview_of,
        )
        from .comfy_bridge.host.kept import kept_work
        from .comfy_bridge.host.progress import NodeProgress
        from .comfy_bridge.media.footage import footage
        from .comfy_bridge.people import FaceFinder

        frames = footage(source, image_fps)
        settings, progress = CropSettings(crop_size, detect_every, as_released), NodeProgress()
        if face == DETECT:
            tracked = FaceFinder(
                source, frames, image_fps, face_detector, settings, progress, kept_work(True)
            ).face(person)
        else:
            given = {
                BOX: lambda: boxes_in_text(box),
                MASK: lambda: boxes_in_mask(mask, frames),
                WHOLE: WholeFrame,
            }
            tracked = find_face(frames, given[face](), settings, progress)
        crops = crops_on_demand(frames, tracked, settings)
        return io.NodeOutput(tracked, crops, preview_of(frames, tracked))
