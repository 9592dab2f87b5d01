# `make demo` and `make test` do all their own set-up in .venv; nothing else on the machine is touched.

PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCHVISION ?= torchvision==0.28.0
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OPENMMLAB := .venv-openmmlab

.PHONY: demo test openmmlab lint format clean

demo: $(READY)
	$(BIN)/python -m xdub_core demo --out out/demo.mp4 --overwrite

test: $(READY)
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

# OpenMMLab's own detector beside ours, in an environment of its own: compiles mmcv, which takes a C++ compiler and
# some quarter of an hour, and then compares the two where the detector's goldens are.
openmmlab: $(OPENMMLAB)/.ready
	$(OPENMMLAB)/bin/python -m pytest tests/face/test_openmmlab_packages.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OPENMMLAB) out build *.egg-info

# $(call environment,FOLDER,PACKAGES): a virtual environment with torch. Where there is no NVIDIA GPU, torch comes
# without CUDA: plainly, if that is what the package index gives, and else through uv, which knows where the CPU
# builds are.
define environment
test -x $(1)/bin/pip || $(PYTHON) -m venv $(1)
@$(1)/bin/python -c "import torch" 2>/dev/null \
|| if command -v nvidia-smi >/dev/null || ! $(1)/bin/pip install --dry-run $(2) 2>/dev/null | grep -qiE 'nvidia|cuda'; \
   then echo "installing $(2)"; $(1)/bin/pip install --quiet $(2); \
   else echo "installing $(2) for the CPU"; $(1)/bin/pip install --quiet uv \
        && $(1)/bin/uv pip install --python $(1)/bin/python --torch-backend=cpu $(2); fi
endef

$(READY): pyproject.toml Makefile
	$(call environment,$(VENV),$(TORCH))
	$(BIN)/pip install --quiet --editable ".[dev]"
	$(BIN)/pip install --quiet --no-deps "diffsynth>=2.0,<3" einops # the Wan2.2 VAE's code, and nothing that it pulls in
	touch $(READY)

# Their releases of 2023 and 2024, each step as it still works: mmcv's set-up needs pkg_resources (setuptools before
# 82) and the torch that it shall run with; xtcocotools must be built for this numpy; mmpose asks for chumpy, which
# no longer builds and is never used; and they all ask for an OpenCV of their own beside ours.
$(OPENMMLAB)/.ready: pyproject.toml Makefile
	$(call environment,$(OPENMMLAB),$(TORCH) $(TORCHVISION))
	$(OPENMMLAB)/bin/python -c "import torchvision" # before the long work: it must be of one build with torch
	$(OPENMMLAB)/bin/pip install --quiet --editable ".[dev]" "setuptools<82" wheel cython ninja \
	  addict matplotlib packaging pillow pyyaml termcolor yapf \
	  json_tricks munkres pycocotools shapely six terminaltables
	$(OPENMMLAB)/bin/pip install --quiet --no-deps mmengine==0.10.7
	MMCV_WITH_OPS=1 $(OPENMMLAB)/bin/pip install --no-deps --no-build-isolation mmcv==2.1.0
	$(OPENMMLAB)/bin/pip install --quiet --no-deps --no-build-isolation --no-binary xtcocotools xtcocotools
	$(OPENMMLAB)/bin/pip install --quiet --no-deps mmdet==3.2.0 mmpose==1.3.2
	touch $@
