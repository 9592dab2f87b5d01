"""Report: what became of a dub, as a page in the node and as files."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import sockets


class ShowReport(io.ComfyNode):
    """XDUB_REPORT to HTML and JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubReport",
            display_name="Report (X-Dub)",
            category=sockets.CATEGORY,
            description="Shows what became of a dub: who was dubbed where, every clip with its self-check, lips "
            "against sound, settings and times. Saves it as one page that needs nothing beside it, and as JSON.",
            search_aliases=["statistics", "quality", "self-check"],
            is_output_node=True,
            inputs=[
                sockets.Report.Input("report", tooltip="From Dub Video (X-Dub)."),
                io.String.Input(
                    "filename_prefix",
                    default="X-Dub/report",
                    tooltip="Where in ComfyUI's output folder the two files go; they are numbered.",
                ),
            ],
            outputs=[io.String.Output(display_name="text", tooltip="The report in a few lines.")],
        )

    @classmethod
    def execute(cls, report: Any, filename_prefix: str) -> io.NodeOutput:
        from .comfy_bridge.host.warnings import show_text
        from .comfy_bridge.report import saved_report, told_in_short

        page, data = saved_report(report, filename_prefix)
        told = told_in_short(report)
        show_text(told)
        return io.NodeOutput(told, ui={"xdub_report": [{"page": page, "data": data}]})
