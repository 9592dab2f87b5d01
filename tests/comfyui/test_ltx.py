"""The small LTX-2 that the tests of dubbing by it stand on is core's own, in both versions, and has its proportions."""

import ltx
import pytest
import torch


@pytest.mark.parametrize("version", ltx.VERSIONS)
def test_core_takes_it_for_its_own_joint_model(version, inference):
    model = ltx.transformer(version)
    assert type(model.model).__name__ == "LTXAV"
    latents = [torch.randn(1, 128, 3, 2, 4), torch.randn(1, 8, 17, 16)]
    text = ltx.conditioning(version)[0][0]
    made = model.model.diffusion_model(
        latents, torch.tensor([0.7]), text, frame_rate=25, transformer_options={}
    )
    assert [x.shape for x in made] == [x.shape for x in latents]
    assert all(0.1 < x.std() < 10 for x in made)


def test_pictures_are_8_frames_of_32_x_32_to_a_latent(inference):
    vae = ltx.video_vae()
    latents = vae.encode(torch.rand(17, 64, 96, 3))
    assert latents.shape == (1, 128, 3, 2, 3)
    assert vae.decode(latents).shape == (1, 17, 64, 96, 3)


def test_sound_has_25_latents_a_second(inference):
    vae = ltx.audio_vae()
    latents = vae.encode(torch.rand(1, 4096 * 11, 2) - 0.5)
    assert latents.shape[:2] == (1, 8) and latents.shape[3] == 16
    assert latents.shape[2] in (25, 26)
    assert vae.first_stage_model.output_sample_rate == 24_000
    assert vae.decode(latents).shape == (1, (4 * latents.shape[2] - 3) * 240, 2)
