"""Load Audio Encoders: files as artists have them, wrong ones told before anything runs."""

from pathlib import Path

import comfy.model_management as management
import folder_paths
import pytest
import torch
from minis import speech
from safetensors.torch import save_file

from xdub_core.errors import MissingModelError
from xdub_core.progress import Stage


@pytest.fixture(scope="session")
def encoder_files():
    """A tiny Whisper, a tiny wav2vec2 in its Hugging Face folder, and an empty prompt, in models/audio_encoders."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model, WhisperConfig, WhisperModel

    folder = Path(folder_paths.get_folder_paths("audio_encoders")[0])
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whisper = WhisperModel(
            WhisperConfig(
                vocab_size=12, num_mel_bins=80, max_source_positions=50, max_target_positions=8, d_model=64,
                encoder_layers=1, encoder_attention_heads=1, encoder_ffn_dim=40, decoder_layers=1,
                decoder_attention_heads=1, decoder_ffn_dim=16, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                decoder_start_token_id=1,
            )
        )  # fmt: skip
        wav2vec = Wav2Vec2Model(
            Wav2Vec2Config(
                hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, conv_dim=(8,) * 7,
                num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
            )
        )  # fmt: skip
    state = {name: tensor.contiguous() for name, tensor in whisper.state_dict().items()}
    save_file(state, folder / "whisper-large-v2.safetensors")
    wav2vec.save_pretrained(folder / "wav2vec2-base-960h")
    save_file({"empty_prompt": torch.zeros(1, 16)}, folder / "a_prompt.safetensors")
    return "whisper-large-v2.safetensors", "wav2vec2-base-960h/model.safetensors"


@pytest.fixture
def loader(pack, encoder_files):
    return pack("audio_encoders").LoadAudioEncoders


def test_the_likely_files_are_offered_first(loader, encoder_files):
    whisper, wav2vec2 = loader.define_schema().inputs[:2]
    assert (whisper.options[0], wav2vec2.options[0]) == encoder_files


@torch.inference_mode()
def test_encoders_hear_as_the_engine_does_and_are_comfyui_s_to_move(pack, loader, encoder_files):
    from xdub_core.audio.encoded import EncodedAudio
    from xdub_core.audio.recording import recording_from_waveform
    from xdub_core.audio.wav2vec_checkpoint import load_wav2vec
    from xdub_core.audio.whisper import load_whisper

    (encoders,) = loader.execute(*encoder_files, "float32 (as released)").args
    audio, seen = speech(3.0), []
    with recording_from_waveform(audio["waveform"][0], audio["sample_rate"]) as recording:
        features = encoders.features(recording, seen.append)
        folder = Path(folder_paths.get_folder_paths("audio_encoders")[0])
        own = EncodedAudio(
            recording, load_whisper(folder / encoder_files[0]), load_wav2vec(folder / encoder_files[1])
        )
        assert torch.equal(features.read(-5, 160), own.read(-5, 160))
    assert features.width == encoders.width == 80
    assert seen[-1].stage is Stage.AUDIO and seen[-1].done == seen[-1].total
    loaded = [held.model for held in management.current_loaded_models]
    assert all(patcher in loaded for patcher in encoders.patchers)


def test_interrupting_stops_the_listening(pack, loader, encoder_files):
    (encoders,) = loader.execute(*encoder_files, "float32 (as released)").args
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        pack("audio_features").AudioFeatures.execute(speech(1.0), encoders, "audio")


@pytest.mark.parametrize(
    ("whisper", "wav2vec2", "told"),
    [
        ("", "x", "Whisper large-v2 is missing: models/audio_encoders has no file to choose"),
        ("gone.pt", None, "there is no 'gone.pt' in models/audio_encoders"),
        ("a_prompt.safetensors", None, "is an empty prompt that this pack kept, not Whisper large-v2"),
        (None, "whisper-large-v2.safetensors", "is a Whisper model, not wav2vec2-base-960h"),
    ],
)
def test_wrong_encoder_files_are_told_before_they_are_loaded(loader, whisper, wav2vec2, told):
    assert told in loader.validate_inputs(whisper, wav2vec2)


def test_right_encoder_files_pass(loader, encoder_files):
    assert loader.validate_inputs(*encoder_files) is True


def test_names_of_files_that_are_not_offered_are_not_looked_for(pack, encoder_files, monkeypatch):
    """A name may come by a link, which nobody has validated."""
    asked = []
    monkeypatch.setattr(folder_paths, "get_full_path_or_raise", lambda *args: asked.append(args))
    monkeypatch.setattr(folder_paths, "get_full_path", lambda *args: asked.append(args))
    found = pack("comfy_bridge.host.model_files").found
    for name in ("/etc/passwd", "../../x.safetensors", "\\\\host\\share\\x.pt", ""):
        with pytest.raises(MissingModelError, match="there is no"):
            found("audio_encoders", name)
        assert "is missing" in pack("audio_encoders").LoadAudioEncoders.validate_inputs(name)
    assert asked == []
