"""People: who is in a video, as a picture and as a list, to choose one of them by number."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import inputs, sockets


class ShowPeople(io.ComfyNode):
    """Footage to a contact sheet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubPeople",
            display_name="People (X-Dub)",
            category=sockets.CATEGORY,
            description="Shows everybody in a video, with the numbers that Dub Video, Face Crop and Voice take as "
            "person. They are counted by first appearance, those who appear together from left to right. With the same "
            "video and face detector those nodes need not look for the faces again.",
            search_aliases=["faces", "contact sheet", "who speaks"],
            is_output_node=True,
            inputs=[
                inputs.footage("source"),
                sockets.FaceDetector.Input("face_detector", tooltip="What finds the faces."),
                inputs.image_fps(),
            ],
            outputs=[
                io.Image.Output(display_name="contact sheet", tooltip="A face each, with its number."),
                io.String.Output(
                    display_name="list", tooltip="A line each: number, first second, seconds on screen, size."
                ),
            ],
        )

    @classmethod
    def execute(cls, source: Any, face_detector: Any, image_fps: float) -> io.NodeOutput:
        from .comfy_bridge.face_crop import CropSettings
        from .comfy_bridge.host.kept import kept_work
        from .comfy_bridge.host.progress import NodeProgress
        from .comfy_bridge.media.footage import footage
        from .comfy_bridge.people import FaceFinder, list_of, sheet_of
        from .comfy_bridge.people_shown import people_shown

        frames = footage(source, image_fps, nearest=True)  # as Face Crop and Dub Video choose them
        finder = FaceFinder(
            source, frames, image_fps, face_detector, CropSettings(0), NodeProgress(), kept_work(True)
        )
        people = finder.people
        return io.NodeOutput(sheet_of(people), list_of(people), ui=people_shown(frames, people))
