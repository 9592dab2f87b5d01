"""What a dub is to be, and everything about it that can be known to be wrong before the work begins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from xdub_core.cli.chosen_model import ChosenModel, choose_model
from xdub_core.cli.followed import check_person
from xdub_core.cli.kept_work import finished_outputs
from xdub_core.cli.options.encoding import EncodingOptions
from xdub_core.cli.options.face import FaceOptions
from xdub_core.cli.options.files import FileOptions
from xdub_core.cli.options.model import ModelOptions
from xdub_core.cli.options.origin import OriginOptions
from xdub_core.cli.options.resume import ResumeOptions
from xdub_core.cli.options.sampling import SamplingOptions
from xdub_core.cli.options.speech import SpeechOptions, Voice, given_voices
from xdub_core.dub.length import FrameRate
from xdub_core.dub.settings import DubSettings
from xdub_core.dub.silence import Silence
from xdub_core.media.output.encode_format import source_format
from xdub_core.media.output.encode_settings import EncodeSettings, plan_encoding
from xdub_core.media.output.origin import Origin
from xdub_core.media.video.video_info import ScannedVideo, scan_video


@dataclass(frozen=True)
class DubJob:
    """Everything that the command line says about a dub."""

    files: FileOptions
    model: ModelOptions = field(default_factory=ModelOptions)
    face: FaceOptions = field(default_factory=FaceOptions)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    encoding: EncodingOptions = field(default_factory=EncodingOptions)
    origin: OriginOptions = field(default_factory=OriginOptions)
    resume: ResumeOptions = field(default_factory=ResumeOptions)
    speech: SpeechOptions = field(default_factory=SpeechOptions)


def check_options(job: DubJob) -> tuple[ChosenModel, DubSettings, EncodeSettings]:
    """What a dub's options say, looked at without its files. Raises what `choose_model` raises, and SettingsError."""
    model = choose_model(job.model, job.face.detector)
    settings, encoding = job.sampling.settings(model.settings), job.encoding.settings()
    voices = given_voices(job.files, job.speech, settings.as_released)
    check_person(job.face, settings.as_released, by_number=voices[0].person is not None)
    job.speech.chosen_silence(settings.as_released)
    return model, settings, encoding


@dataclass(frozen=True)
class CheckedDub:
    """A job whose options and files have been looked at. `files`: those of the job, which may replace its own outputs.

    `keeps_clock`: whether the output's frames are the source's, at their times.
    """

    job: DubJob
    files: FileOptions
    model: ChosenModel
    settings: DubSettings
    encoding: EncodeSettings
    voices: tuple[Voice, ...]
    silence: Silence
    scanned: ScannedVideo
    origin: Origin | None

    @property
    def keeps_clock(self) -> bool:
        return self.files.fps is FrameRate.SOURCE and not self.settings.as_released


def check_dub(job: DubJob) -> CheckedDub | None:
    """Look at everything but the pictures and the sound; None where the same job has been finished already.

    Raises what `check_options` raises; MediaError for files that cannot be read or written; MissingModelError or
    CheckpointError for the model's; SettingsError for what does not go together.
    """
    model, settings, encoding = check_options(job)
    voices = given_voices(job.files, job.speech, settings.as_released)
    own = finished_outputs(job, model)
    if own.issuperset(job.files.outputs):
        return None
    files = replace(job.files, overwrite=job.files.overwrite or bool(own))
    recordings = [voice.path for voice in voices]
    files.check_outputs(recordings)
    job.resume.check_folder(files.out, (*files.outputs, files.video, *recordings))
    scanned = scan_video(files.video, files.video_stream)
    plan_encoding(files.out, encoding, source=source_format(scanned.info))
    model = model.checked(settings, detects=job.face.needs_detector)
    origin = job.origin.of_edit(files.video, files.out)
    silence = job.speech.chosen_silence(settings.as_released)
    return CheckedDub(job, files, model, settings, encoding, voices, silence, scanned, origin)
