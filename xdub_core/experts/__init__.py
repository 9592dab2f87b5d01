"""LoRA experts and the noise levels at which they act."""
