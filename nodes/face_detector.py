"""Load Face Detector: what finds the face to dub."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from . import sockets
from .comfy_bridge.host.model_files import choices, found, wrong_choice
from .inputs import check_choice

FOLDER = "detection"
BACKENDS = [BUILT_IN, OPENMMLAB] = ["built in", "openmmlab"]
PRECISIONS = {"float32 (as released)": torch.float32, "bfloat16 (faster)": torch.bfloat16}
GET_PEOPLE = "Put X-Dub's yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth (or .safetensors) there."
GET_POSE = "Put X-Dub's rtmw-x_simcc-cocktail14_pt-ucoco_270e-384x288-f840f204_20231122.pth there."


class LoadFaceDetector(io.ComfyNode):
    """YOLOX-L and RTMW-x."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubLoadFaceDetector",
            display_name="Load Face Detector (X-Dub)",
            category=sockets.CATEGORY,
            description="Loads the two networks that the released X-Dub finds faces with. They run in plain PyTorch: "
            "nothing has to be compiled. Not needed where you draw the face as a mask or type its box.",
            search_aliases=["dwpose", "yolox", "rtmw", "face tracking"],
            inputs=[
                io.Combo.Input(
                    "person_detector",
                    options=choices(FOLDER, "yolox_l", "yolox"),
                    tooltip="YOLOX-L, which finds people, from models/detection.",
                ),
                io.Combo.Input(
                    "pose",
                    options=choices(FOLDER, "rtmw-x", "rtmw"),
                    tooltip="RTMW-x, which finds 133 points on each of them, from models/detection.",
                ),
                io.Int.Input(
                    "person",
                    default=0,
                    min=0,
                    max=20,
                    advanced=True,
                    tooltip="Leave this at 0 and choose the person in Dub Video or Face Crop, who is then followed. "
                    "Else the face is chosen in each frame by itself: 1 for the leftmost, 2 for the next to the right, "
                    "and so on; who turns away is counted too.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.2,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Faces less certain than this are passed over, and their frames left as they are. 0 keeps "
                    "everything, as the release does.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default=next(iter(PRECISIONS)),
                    advanced=True,
                    tooltip="bfloat16 is faster where the hardware computes in it, and moves boxes a little.",
                ),
                io.Combo.Input(
                    "backend",
                    options=BACKENDS,
                    default=BUILT_IN,
                    advanced=True,
                    tooltip="openmmlab runs mmdet's and mmpose's own code, for comparison, where they are installed.",
                ),
            ],
            outputs=[
                sockets.FaceDetector.Output(
                    display_name="face detector", tooltip="For Face Crop (X-Dub) or Dub Video (X-Dub)."
                )
            ],
        )

    @classmethod
    def validate_inputs(
        cls, person_detector: str | None = None, pose: str | None = None, backend: str | None = None
    ) -> bool | str:
        from xdub_core.errors import MissingModelError
        from xdub_core.face.openmmlab import require_openmmlab
        from xdub_core.weights.kinds import Kind

        if backend == OPENMMLAB:
            try:
                require_openmmlab()
            except MissingModelError as error:
                return str(error)
        if (checked := check_choice("backend", backend, BACKENDS)) is not True:
            return checked
        problems = (
            wrong_choice(FOLDER, person_detector, {Kind.YOLOX}, "the YOLOX-L person detector", GET_PEOPLE),
            wrong_choice(FOLDER, pose, {Kind.RTMW}, "the RTMW-x pose network", GET_POSE),
        )
        return next((problem for problem in problems if problem), True)

    @classmethod
    def execute(
        cls, person_detector: str, pose: str, person: int, threshold: float, precision: str, backend: str
    ) -> io.NodeOutput:
        from xdub_core.face.rtmw_detector import RTMWSettings
        from xdub_core.job.keys import fingerprint

        from .comfy_bridge.host.kept import made_of

        settings = RTMWSettings(person=person - 1 if person else None, face_threshold=threshold)
        files = found(FOLDER, person_detector), found(FOLDER, pose)
        if backend == OPENMMLAB:
            detector = _openmmlab(files, settings)
        else:
            detector = _built_in(files, settings, PRECISIONS[precision])
        return io.NodeOutput(made_of(detector, fingerprint(files), settings, precision))


def _built_in(files: tuple[Any, Any], settings: Any, dtype: torch.dtype) -> Any:
    from xdub_core.face.rtmw_detector import load_rtmw_detector

    from .comfy_bridge.face_detector import ManagedDetector

    detector = load_rtmw_detector(*files, dtype=dtype, settings=settings)
    return ManagedDetector(detector, (detector.people, detector.pose))


def _openmmlab(files: tuple[Any, Any], settings: Any) -> Any:
    import comfy.model_management as management

    from xdub_core.face.openmmlab import OpenMMLabDetector

    return OpenMMLabDetector(*files, device=str(management.get_torch_device()), settings=settings)
