"""A ComfyUI server for tests: the pack as it is published is its only custom node, and its folders are its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import threading
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError

from package import install

PACK_FOLDER = "comfyui-x-dub"
READY = "To see the GUI go to"
SECONDS_TO_START, SECONDS_TO_RUN = 240, 240


class Server:
    """A running ComfyUI. `base` holds its input, output and user folders; `log` is what it has printed."""

    def __init__(
        self, comfyui: Path, python: str, base: Path, options: Sequence[str] = (), **environment: str
    ) -> None:
        self.base = base
        for folder in ("custom_nodes", "input", "models", "output", "user"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        install(base / "custom_nodes" / PACK_FOLDER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [python, "main.py", "--cpu", "--base-directory", str(base), "--disable-metadata"]
        command += ["--port", self.address.split(":")[1], "--database-url", "sqlite:///:memory:", *options]
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            command,
            cwd=comfyui,
            env={**inherited, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self.log: list[str] = []
        self._ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self._ready.wait(SECONDS_TO_START) or self.process.poll() is not None:
            self.stop()
            raise RuntimeError("the server did not start:\n" + "".join(self.log[-30:]))

    def _read(self) -> None:
        for line in self.process.stdout:
            self.log.append(line)
            if READY in line:
                self._ready.set()
        self._ready.set()  # it has ended: nobody needs to wait any longer

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def get(self, path: str):
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, content) -> tuple[int, dict]:
        request = urllib.request.Request(f"http://{self.address}{path}", json.dumps(content).encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = answer.read()
                return answer.status, json.loads(body) if body else {}
        except HTTPError as error:
            return error.code, json.load(error)

    def run(self, prompt, interrupt_at=None) -> dict:
        """Run a prompt to its end and return its history; press Cancel at the first message of a type."""
        return asyncio.run(asyncio.wait_for(self._run(prompt, interrupt_at), SECONDS_TO_RUN))

    async def _run(self, prompt, interrupt_at) -> dict:
        import aiohttp  # ComfyUI's Python has it

        client = uuid.uuid4().hex
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://{self.address}/ws?clientId={client}") as events,
        ):
            status, answer = self.post("/prompt", {"prompt": prompt, "client_id": client})
            assert status == 200, answer
            ended: dict = {}
            async for event in events:
                if event.type is not aiohttp.WSMsgType.TEXT:
                    continue
                message = event.json()
                kind, data = message["type"], message.get("data", {})
                if interrupt_at is not None and interrupt_at(kind, data):
                    self.post("/interrupt", {})
                    interrupt_at = None
                if data.get("prompt_id") != answer["prompt_id"]:
                    continue
                if kind in ("execution_success", "execution_error", "execution_interrupted"):
                    ended = {"outcome": kind, **data}
                if kind == "executing" and data["node"] is None:  # it stands in the history now
                    return ended | self.get(f"/history/{answer['prompt_id']}")[answer["prompt_id"]]
        raise AssertionError("the server hung up")
