"""Load Face Detector: wrong files told before anything runs, networks that ComfyUI holds."""

import comfy.model_management as management
import numpy as np
import torch


def test_missing_detector_files_say_which_to_get(pack):
    loader = pack("face_detector").LoadFaceDetector
    assert "yolox_l_8x8_300e_coco" in loader.validate_inputs("", "", "built in")
    assert "needs mmengine, mmcv, mmdet, mmpose" in loader.validate_inputs("", "", "openmmlab")


def test_a_mistyped_backend_is_told(pack):
    loader = pack("face_detector").LoadFaceDetector
    assert "backend 'mmlab' is not in the list" in loader.validate_inputs(backend="mmlab")


@torch.inference_mode()
def test_a_held_detector_brings_its_networks_along(pack):
    from xdub_core.face.boxes import FixedBox

    network = torch.nn.Linear(2, 2)
    detector = pack("comfy_bridge.face_detector").ManagedDetector(FixedBox([0, 0, 4, 4]), (network,))
    (found,) = detector.detect([np.zeros((8, 8, 3), np.uint8)])
    assert found.box.tolist() == [0, 0, 4, 4]
    assert detector.patchers[0] in [held.model for held in management.current_loaded_models]


def test_short_vram_keeps_encoders_on_the_cpu_but_detectors_on_the_gpu(pack, monkeypatch):
    gpu, cpu = torch.device("meta"), torch.device("cpu")
    monkeypatch.setattr(management, "get_torch_device", lambda: gpu)
    monkeypatch.setattr(management, "vram_state", management.VRAMState.LOW_VRAM)
    monkeypatch.setattr(management, "text_encoder_device", lambda: cpu)
    detector = pack("comfy_bridge.face_detector").ManagedDetector(None, (torch.nn.Linear(1, 1),))
    assert detector.patchers[0].load_device == gpu
    assert detector.patchers[0].offload_device == cpu
    assert pack("comfy_bridge.audio_encoders").managed(torch.nn.Linear(1, 1)).load_device == cpu
