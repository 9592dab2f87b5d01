"""Judges by optional packages and by the pack's own detectors; each says in a line what is lacking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xdub_core.audio.decode import SAMPLE_RATE
from xdub_core.errors import MissingModelError, SettingsError
from xdub_core.face.detector import FACE_POINTS, FaceDetector

from .judges import FoundMouths, no_mouths

MOUTH_OF_FACE = slice(48, 68)
"""A mouth among the usual 68 points of a face."""
WHISPER = "openai/whisper-large-v3"


class DetectorMouths:
    """A `MouthFinder` by any face detector that gives landmarks, such as RTMW."""

    def __init__(self, detector: FaceDetector) -> None:
        self.detector = detector

    def find(self, frames: Sequence[np.ndarray]) -> FoundMouths:
        """Mouths of frames uint8 [H, W, 3]; NaN where the detector knows not all of a mouth's points."""
        found = no_mouths(len(frames))
        for number, detection in enumerate(self.detector.detect(list(frames))):
            if detection is None or detection.keypoints is None:
                continue
            mouth = detection.keypoints[FACE_POINTS][MOUTH_OF_FACE]
            if (mouth[:, 2] > 0).all():
                found.points[number], found.faces[number] = mouth[:, :2], detection.box
        return found


class WhisperWords:
    """A `WordRecogniser` by transformers' Whisper. `model`: its name on Hugging Face, or a folder that holds it.

    The paper names no size. Raises MissingModelError where the package or the model is not there.
    """

    def __init__(self, model: str = WHISPER, device: str = "cpu") -> None:
        try:
            from transformers import pipeline
        except ImportError:
            raise MissingModelError(
                "Whisper needs the package transformers: pip install transformers"
            ) from None
        try:
            self._recognise: Any = pipeline("automatic-speech-recognition", model=model, device=device)
        except (OSError, ValueError) as error:
            told = " ".join(str(error).split())[:120]
            raise MissingModelError(
                f"Whisper {model} cannot be loaded ({told}): name another, or its folder"
            ) from None

    def words(self, sound: np.ndarray, language: str) -> str:
        """What is said; nothing in a sound without samples. Raises SettingsError for a language it does not know."""
        if not len(sound):
            return ""
        heard = {"raw": np.asarray(sound, np.float32), "sampling_rate": SAMPLE_RATE}
        told = {"language": language.split()[-1].lower(), "task": "transcribe"}
        try:
            return str(self._recognise(heard, generate_kwargs=told, return_timestamps=True)["text"])
        except ValueError as error:
            raise SettingsError(
                f"Whisper cannot hear {language} ({' '.join(str(error).split())[:90]})"
            ) from None


class SherpaSpeaker:
    """A `SpeakerRecogniser` by sherpa-onnx and a model file, such as 3D-Speaker's ERes2Net (the paper's) as ONNX.

    Raises MissingModelError where the package or the file is not there.
    """

    def __init__(self, model: str | Path) -> None:
        try:
            import sherpa_onnx
        except ImportError:
            raise MissingModelError("voices need the package sherpa-onnx: pip install sherpa-onnx") from None
        if not Path(model).is_file():
            raise MissingModelError(f"there is no model of voices at {model}: give ERes2Net as an ONNX file")
        config = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(model))
        if not config.validate():
            raise MissingModelError(f"{model} is no model of voices for sherpa-onnx: give ERes2Net's")
        self._extractor = sherpa_onnx.SpeakerEmbeddingExtractor(config)

    def embedding(self, sound: np.ndarray) -> np.ndarray:
        """A vector of the voice in a sound at 16 kHz."""
        stream = self._extractor.create_stream()
        stream.accept_waveform(sample_rate=SAMPLE_RATE, waveform=np.asarray(sound, np.float32))
        stream.input_finished()
        return np.array(self._extractor.compute(stream))
