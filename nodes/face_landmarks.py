"""Face from Landmarks: what another node found, in place of a face detector."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import sockets

FaceLandmarks = io.Custom("FACE_LANDMARKS")
PoseKeypoints = io.Custom("POSE_KEYPOINT")


class FaceFromLandmarks(io.ComfyNode):
    """FACE_LANDMARKS, POSE_KEYPOINT or BOUNDING_BOX to a face detector."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubFaceFromLandmarks",
            display_name="Face from Landmarks (X-Dub)",
            category=sockets.CATEGORY,
            description="Takes the face from landmarks that another node found on the same video, such as ComfyUI's "
            "MediaPipe Face Landmarker or a pose detector: then X-Dub's own detector files are not needed.",
            search_aliases=["mediapipe", "openpose", "dwpose", "face landmarks", "bounding box"],
            inputs=[
                io.MultiType.Input(
                    "landmarks",
                    [FaceLandmarks, PoseKeypoints, io.BoundingBox],
                    tooltip="One entry for every frame of the video: face landmarks, pose keypoints with a face, or "
                    "boxes around faces.",
                ),
                io.Int.Input(
                    "face",
                    default=1,
                    min=1,
                    max=20,
                    tooltip="Which one where there are several, in the order that the other node gives them.",
                ),
            ],
            outputs=[
                sockets.FaceDetector.Output(
                    display_name="face detector", tooltip="For Face Crop (X-Dub) and Dub Video (X-Dub)."
                )
            ],
        )

    @classmethod
    def execute(cls, landmarks: Any, face: int) -> io.NodeOutput:
        from xdub_core.face.landmarks import faces_from_landmarks

        return io.NodeOutput(faces_from_landmarks(landmarks, face - 1))
