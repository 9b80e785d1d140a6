# Every target sets up what it needs: a virtual environment in .venv with pinned packages.
PYTHON ?= python3.11
BIN := .venv/bin
# two processes of one thread each: what the tests wait for is mostly frameworks being loaded and compiling;
# compiled Python is kept, for both of them and for the commands that the tests start
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: setup demo announce test test-all lint check format generated docs benchmark gpu clean

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv .venv
	$(INSTALL) -e ".[all,dev,demo]"
	touch $@

# The main job on what the repository holds: the shipped model, a random one, and real ImageNet weights.
demo: announce setup
	mkdir -p out
	$(BIN)/python cli.py convert --from mindspore --to onnx -o out/res2net_digits.onnx
	$(BIN)/python cli.py evaluate out/res2net_digits.onnx --data examples/digits/val
	$(BIN)/python cli.py parity res2net50
	$(BIN)/python examples/real_weights.py

announce:
	@test -e .venv/.installed || echo "First some 65 packages are installed into .venv: 4.3 GB, most of it PyTorch and MindSpore."
	@echo "The demo then runs for about 70 seconds on two cores, and keeps 1.5 MB in out/."

test: setup
	$(PYTEST)

# Also every model and the long runs.
test-all: setup
	$(BIN)/python -m pytest -m "not browser"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Everything that is made from the code: pages, tables of names, layouts, missing graphs.
generated: setup
	$(BIN)/python docs/generate.py

# The site, in out/site: in an environment of its own, for mkdocs builds it from text alone.
docs: .venv-docs/.installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet

.venv-docs/.installed: constraints.txt
	test -x .venv-docs/bin/python || $$(command -v $(PYTHON) || command -v python3) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check -c constraints.txt mkdocs mkdocs-material
	touch $@

benchmark: setup
	$(BIN)/python benchmarks/convert.py
	$(BIN)/python benchmarks/evaluate.py

# On a machine with CUDA: beside the torch that is there, in an environment of its own, without MindSpore.
gpu: .venv-gpu/.installed
	.venv-gpu/bin/python benchmarks/gpu.py $(GPU_OPTIONS)

.venv-gpu/.installed: pyproject.toml
	test -x .venv-gpu/bin/python || $$(command -v python3) -m venv --system-site-packages .venv-gpu
	.venv-gpu/bin/python -c "import torch" || { echo "make gpu needs a python3 with PyTorch for CUDA"; exit 2; }
	.venv-gpu/bin/pip install --quiet --disable-pip-version-check -e ".[pytorch,images]" onnxruntime-gpu
	touch $@

clean:
	rm -rf .venv .venv-gpu .venv-docs out build *.egg-info .pytest_cache .mypy_cache .ruff_cache
