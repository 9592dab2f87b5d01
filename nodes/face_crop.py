"""Face Crop: VIDEO or IMAGE to the face's track, its crops, and a preview."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets
from .inputs import UNCONNECTED

PLACES = [DETECT, BOX, MASK, WHOLE] = ["find it", "box", "mask", "whole frame"]


def _inputs_of(place: str) -> list[io.Input]:
    """What a way to say where the face is asks for, and no other does."""
    asked: dict[str, list[io.Input]] = {
        DETECT: [
            sockets.FaceDetector.Input("face_detector", tooltip="What finds the face."),
            inputs.person(),
            io.Int.Input(
                "detect_every",
                default=1,
                min=1,
                max=25,
                optional=True,
                advanced=True,
                tooltip="Look for the face in every n-th frame only; boxes between are interpolated. Faster for "
                "calm footage.",
            ),
        ],
        BOX: [
            io.String.Input(
                "box",
                default="",
                optional=True,
                placeholder="left, top, right, bottom",
                tooltip="The whole head, in pixels of the video, where it keeps its place.",
            ),
            io.BoundingBox.Input(
                "bounding_box",
                optional=True,
                force_input=True,
                tooltip="The whole head, drawn on a frame of the video in another node such as Create Bounding Boxes. "
                "Counts in place of a box that is typed.",
            ),
        ],
        MASK: [
            io.Mask.Input(
                "mask", tooltip="The whole head painted white: one mask for all frames, or one for each."
            )
        ],
    }
    return asked.get(place, [])


def _check_links(place: str, face_detector: Any, mask: Any) -> bool | str:
    """What `validate_inputs` says of what is connected."""
    if place == DETECT and face_detector == UNCONNECTED:
        return "connect a face detector (Load Face Detector, or the built-in model's), or set face to box or mask"
    if place == MASK and mask == UNCONNECTED:
        return "face is set to mask, but there is none: connect a mask of the whole head"
    return True


def _check_box(box: str) -> bool | str:
    """What `validate_inputs` says of a box that is typed."""
    from xdub_core.errors import FaceError
    from xdub_core.face.boxes import parse_box

    try:
        parse_box(box)
    except FaceError as error:
        return str(error)
    return True


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
            has_intermediate_output=True,  # after a reload, too, the panel has what was found
            accept_all_inputs=True,  # workflows from before `face` had inputs of its own give them beside it
            inputs=[
                inputs.footage("source"),
                inputs.Choice(
                    "face",
                    {place: _inputs_of(place) for place in PLACES},
                    "Where the face is: let the face detector find it, type its box, paint it as a mask, or "
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
                inputs.switch(
                    "as_released",
                    False,
                    "Boxes and crops as the release makes them, on whole pixels, to compare. Off is calmer.",
                ),
                inputs.image_fps(),
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
        cls, face: Any = None, face_detector: Any = UNCONNECTED, mask: Any = UNCONNECTED, **given: Any
    ) -> bool | str:
        place, own = inputs.chosen("face", face)
        given |= own
        box = given.get("box")
        # Beside it nobody but this node asks for what a choice needs; of its own, a box may be connected instead.
        typed = place == BOX and box is not None and (place == face or box.strip())
        return inputs.first_problem(
            inputs.check_choice("face", place, PLACES),
            _check_links(place, face_detector, mask) if place == face else True,
            inputs.check_numbers(cls, given),
            inputs.check_person(given.get("person")) if place == DETECT else True,
            _check_box(str(box)) if typed else True,
        )

    @classmethod
    def execute(
        cls,
        source: Any,
        face: Any,
        crop_size: int = 512,
        box: str = "",
        detect_every: int = 1,
        as_released: bool = False,
        image_fps: float = 25.0,
        face_detector: Any = None,
        mask: Any = None,
        person: str = "",
        bounding_box: Any = None,
        **_others: Any,
    ) -> io.NodeOutput:
        place, own = inputs.chosen("face", face)
        beside = {
            "box": box,
            "detect_every": detect_every,
            "face_detector": face_detector,
            "mask": mask,
            "person": person,
            "bounding_box": bounding_box,
        }
        return cls._execute(source, place, crop_size, as_released, image_fps, **beside | own)

    @classmethod
    def _execute(
        cls,
        source: Any,
        place: str,
        crop_size: int,
        as_released: bool,
        image_fps: float,
        *,
        box: str,
        detect_every: int,
        face_detector: Any,
        mask: Any,
        person: str,
        bounding_box: Any,
    ) -> io.NodeOutput:
        from xdub_core.face.boxes import WholeFrame

        from .comfy_bridge.face_crop import (
            CropSettings,
            boxes_in_mask,
            crops_on_demand,
            find_face,
            given_box,
            preview_of,
        )
        from .comfy_bridge.host.kept import kept_work
        from .comfy_bridge.host.progress import NodeProgress
        from .comfy_bridge.host.warnings import show_now, show_text
        from .comfy_bridge.media.footage import footage
        from .comfy_bridge.people import FaceFinder
        from .comfy_bridge.people_shown import face_shown

        frames = footage(source, image_fps, nearest=not as_released)
        settings, progress = CropSettings(crop_size, detect_every, as_released), NodeProgress()
        if place == DETECT:
            finder = FaceFinder(source, frames, image_fps, face_detector, settings, progress, kept_work(True))
            tracked, people = finder.face(person), finder.everybody
        else:
            given = {
                BOX: lambda: given_box(box, bounding_box),
                MASK: lambda: boxes_in_mask(mask, frames),
                WHOLE: WholeFrame,
            }
            tracked, people = find_face(frames, given[place](), settings, progress), None
        present = int(tracked.track.present.sum())
        show_now("")
        show_text(f"a face in {present} of {len(tracked.timeline)} frames")
        crops = crops_on_demand(frames, tracked, settings)
        shown = face_shown(frames, tracked.track, people)
        return io.NodeOutput(tracked, crops, preview_of(frames, tracked), ui=shown)
