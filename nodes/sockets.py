"""The pack's own socket types; `types.py` says what flows on each."""

from comfy_api.latest import io

AudioEncoders = io.Custom("XDUB_AUDIO_ENCODERS")
AudioFeatures = io.Custom("XDUB_AUDIO_FEATURES")
FaceDetector = io.Custom("XDUB_FACE_DETECTOR")
FaceTrack = io.Custom("XDUB_FACE_TRACK")
Voices = io.Custom("XDUB_VOICES")
Reference = io.Custom("XDUB_REFERENCE")
Guidance = io.Custom("XDUB_GUIDANCE")
Report = io.Custom("XDUB_REPORT")

CATEGORY = "X-Dub"
DUB_IT = f"{CATEGORY}/Dub It"
"""Nodes for LTX-2, which have nothing to do with X-Dub's own model."""
