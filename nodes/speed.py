"""Speed: limits of one's own for the predictions that need not be made."""

from __future__ import annotations

from comfy_api.latest import io

from . import inputs, sockets


def _limit(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.001, round=0.0001, tooltip=tooltip)


class DubSpeed(io.ComfyNode):
    """Numbers to a speed, as the command line's `--speed` has them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubSpeed",
            display_name="Speed (X-Dub)",
            category=sockets.CATEGORY,
            description="A speed of your own, in place of exact, balanced and fast: how far the noise, which falls "
            "from 1 to 0, may fall before a prediction is made again. It shows how many of the released model's 90 "
            "predictions a clip are left.",
            search_aliases=["cache", "easycache", "teacache", "skip steps"],
            inputs=[
                _limit(
                    "whole",
                    0.035,
                    "For the whole prediction. While it is kept, none is made at all. 0: it is made in every step.",
                ),
                _limit(
                    "audio",
                    0.1,
                    "For what the speech changes, times how much that is guided: 9 times at first, hardly at the end.",
                ),
                _limit(
                    "reference",
                    0.02,
                    "For what the source video changes, times how much that is guided: 1.5 times at first, then less.",
                ),
            ],
            outputs=[
                io.Combo.Output(
                    display_name="speed",
                    options=inputs.SPEEDS,
                    tooltip="For the speed of Dub Video, Sampler or Guider.",
                )
            ],
        )

    @classmethod
    def execute(cls, whole: float, audio: float, reference: float) -> io.NodeOutput:
        from xdub_core.sampling.clip_sampling import SamplerSettings
        from xdub_core.sampling.reuse import Reuse, predictions_planned

        from .comfy_bridge.host.warnings import show_text

        released, reuse = SamplerSettings(), Reuse(whole, audio, reference)
        levels = released.sigmas[:-1].tolist()
        made = sum(predictions_planned(released.guidance, reuse, levels))
        show_text(f"{made} of {3 * len(levels)} predictions a clip, in {len(levels)} steps as released")
        return io.NodeOutput(f"{whole:g},{audio:g},{reference:g}")
