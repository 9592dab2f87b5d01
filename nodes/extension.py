"""The pack's nodes, in the order of the work, and what it registers with ComfyUI when it is loaded."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from . import routes
from .audio_encoders import LoadAudioEncoders
from .audio_features import AudioFeatures
from .color_match import ColorMatch
from .comfy_bridge.host import old_prompts
from .comfy_bridge.model.xdub_model import register
from .dub_it import DubIt
from .dub_it_conditioning import DubItConditioning
from .dub_it_decode import DubItDecode
from .dub_it_isolation import DubItIsolation
from .dub_it_prompt import DubItPrompt
from .dub_it_save_prompt import DubItSavePrompt
from .dub_it_second_stage import DubItSecondStage
from .dub_video import DubVideo
from .empty_prompt import EmptyPrompt
from .expert import LoraExpert
from .face_crop import FaceCrop
from .face_detector import LoadFaceDetector
from .face_landmarks import FaceFromLandmarks
from .folder import LoadFolder
from .guidance import DubGuidance
from .guider import DubGuider
from .help import with_help
from .mini import LoadMini
from .paste_back import PasteBack
from .people import ShowPeople
from .reference_latents import EncodeReference
from .report import ShowReport
from .sample import LoadSample
from .sampler import DubSampler
from .speed import DubSpeed
from .stitch_clips import StitchClips
from .text_encoder import LoadTextEncoder
from .voice import AddVoice

NODES: list[type[io.ComfyNode]] = [
    LoadMini,
    LoadSample,
    LoadFolder,
    LoadAudioEncoders,
    LoadFaceDetector,
    FaceFromLandmarks,
    LoraExpert,
    LoadTextEncoder,
    EmptyPrompt,
    ShowPeople,
    FaceCrop,
    AudioFeatures,
    EncodeReference,
    DubGuidance,
    DubSpeed,
    DubGuider,
    DubSampler,
    StitchClips,
    ColorMatch,
    PasteBack,
    AddVoice,
    DubVideo,
    ShowReport,
    DubIt,
    DubItPrompt,
    DubItConditioning,
    DubItIsolation,
    DubItSecondStage,
    DubItDecode,
    DubItSavePrompt,
]


class XDubExtension(ComfyExtension):
    """What ComfyUI loads."""

    async def on_load(self) -> None:
        """Make "Load Diffusion Model" recognise X-Dub's files; the server earlier prompts, and what panels ask."""
        register()
        old_prompts.register()
        routes.register()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [with_help(node) for node in NODES]
