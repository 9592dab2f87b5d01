"""Crops that are cut when somebody looks at them, in every way that nodes look at an IMAGE."""

import weakref

import comfy.model_management as management
import numpy as np
import pytest
import torch
from minis import write_footage


@pytest.fixture
def made(pack):
    """An image on demand, the plain one, and how often it was made."""
    plain, times = torch.rand(5, 8, 8, 3), []

    def make():
        times.append(1)
        return plain.clone()

    return pack("comfy_bridge.media.on_demand").ImageOnDemand(plain.shape, make), plain, times


def test_its_facts_cost_nothing(made):
    image, plain, times = made
    assert isinstance(image, torch.Tensor)
    assert image.shape == plain.shape and image.size(1) == 8 and image.ndim == image.dim() == 4
    assert len(image) == 5 and image.numel() == image.nelement() == plain.numel()
    assert image.dtype == plain.dtype and image.device == plain.device and image.element_size() == 4
    assert {image: 1}[image] == 1
    assert times == []


LOOKS = {
    "item": lambda x: x[1],
    "slice": lambda x: x[1:3],
    "indices": lambda x: x[torch.tensor([4, 0])],
    "numpy indices": lambda x: x[np.array([4, 0])],
    "iteration": lambda x: torch.stack(list(x)),
    "numpy": lambda x: torch.from_numpy(x.numpy()),
    "cpu and numpy": lambda x: torch.from_numpy(255.0 * x.cpu().numpy()),
    "asarray": lambda x: torch.from_numpy(np.asarray(x)),
    "method": lambda x: x.mean(dim=0),
    "function": lambda x: torch.cat([x, x]),
    "mixed": lambda x: torch.ones_like(x) + x,
    "operator": lambda x: 2 * x,
    "movedim": lambda x: x.movedim(-1, 1),
    "to": lambda x: x.to(torch.float16),
    "interpolate": lambda x: torch.nn.functional.interpolate(x.movedim(-1, 1), size=(4, 4)),
    "clone": lambda x: x.clone(),
    "clamp": lambda x: x.clamp(0.2, 0.4),
    "equal": lambda x: torch.tensor(torch.equal(x, x)),
    "all": lambda x: (x == x).all(),
    "shape of a part": lambda x: torch.tensor(x[0].shape),
    "list": lambda x: torch.tensor(x.tolist()),
    "copy into": lambda x: torch.empty(x.shape).copy_(x),
    "assign": lambda x: torch.zeros(5, 8, 8, 3).index_copy_(0, torch.arange(5), x),
    "upscale": lambda x: __import__("comfy.utils").utils.common_upscale(
        x.movedim(-1, 1), 4, 4, "lanczos", "center"
    ),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("inference", [True, False])
def test_every_look_sees_the_values(made, look, inference):
    image, plain, times = made
    with torch.inference_mode(inference):
        seen = LOOKS[look](image)
    assert type(seen) is torch.Tensor
    assert torch.equal(seen, LOOKS[look](plain))
    LOOKS[look](image)
    assert times == [1]


def test_core_s_nodes_take_it(made, pack, tmp_path):
    from nodes import ImageScale, PreviewImage

    image, plain, _ = made
    (scaled,) = ImageScale().upscale(image, "bilinear", 4, 4, "disabled")
    assert torch.equal(scaled, ImageScale().upscale(plain, "bilinear", 4, 4, "disabled")[0])
    assert len(PreviewImage().save_images(image)["ui"]["images"]) == 5


def test_what_fails_may_be_tried_again(pack):
    tries = []

    def make():
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return torch.ones(2, 2)

    image = pack("comfy_bridge.media.on_demand").ImageOnDemand((2, 2), make)
    with pytest.raises(ValueError, match="not yet"):
        image.sum()
    assert image.sum() == 4


@pytest.fixture
def crop(pack, tmp_path):
    from comfy_api.latest import InputImpl

    video = InputImpl.VideoFromFile(str(write_footage(tmp_path / "in.mp4")))

    def run():
        return pack("face_crop").FaceCrop.execute(video, "box", 32, "8,4,56,52", 1, False, 25.0).args

    return run


def test_crops_that_nobody_looks_at_are_not_cut(pack, crop, monkeypatch):
    cut = []
    faces = pack("comfy_bridge.face_crop")
    crop_frame = faces.crop_frame
    monkeypatch.setattr(faces, "crop_frame", lambda *args: cut.append(1) or crop_frame(*args))
    face, crops, preview = crop()
    assert crops.shape == (30, 32, 32, 3) and preview.shape == (16, 64, 80, 3)
    assert cut == []
    assert crops[3].mean() > 0
    assert len(cut) == len(face.timeline) == 30


def test_cancel_stops_the_cutting_and_it_can_be_done_again(crop):
    crops = crop()[1]
    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        crops.mean()
    assert torch.isfinite(crops.mean())


def test_the_footage_is_let_go_of_once_they_are_cut(pack):
    class Footage:
        pass

    footage = Footage()
    gone = weakref.ref(footage)
    image = pack("comfy_bridge.media.on_demand").ImageOnDemand(
        (1,), lambda held=footage: torch.ones(1) if held else None
    )
    del footage
    assert gone() is not None
    image.sum()
    assert gone() is None
