# `make demo` and `make test` do all their own set-up in .venv; nothing else on the machine is touched.

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint format clean

demo: $(READY)
	$(BIN)/python -m xdub_core demo --out out/demo.mp4 --overwrite

test: $(READY)
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) out build *.egg-info

# Where there is no NVIDIA GPU, torch comes without CUDA: plainly, if that is what the package index gives, and
# else through uv, which knows where the CPU builds are.
$(READY): pyproject.toml Makefile
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c "import torch" 2>/dev/null \
	|| if command -v nvidia-smi >/dev/null || ! $(BIN)/pip install --dry-run $(TORCH) 2>/dev/null | grep -qiE 'nvidia|cuda'; \
	   then echo "installing $(TORCH)"; $(BIN)/pip install --quiet $(TORCH); \
	   else echo "installing $(TORCH) for the CPU"; $(BIN)/pip install --quiet uv \
	        && $(BIN)/uv pip install --python $(BIN)/python --torch-backend=cpu $(TORCH); fi
	$(BIN)/pip install --quiet --editable ".[dev]"
	$(BIN)/pip install --quiet --no-deps "diffsynth>=2.0,<3" einops # the Wan2.2 VAE's code, and nothing that it pulls in
	touch $(READY)
