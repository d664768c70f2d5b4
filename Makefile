# Sets up, builds, runs and checks trt-mtcnn. `make help` lists the commands.

PYTHON ?= python3
PHOTO ?= docs/images/astronaut.jpg
TENSORRT_REPO ?= https://github.com/NVIDIA/TensorRT
TENSORRT_TAG ?= v11.1
TENSORRT_ROOT ?= /usr/local/tensorrt

# The active virtual environment, else one of our own.
VENV := $(or $(VIRTUAL_ENV),.venv)
BIN := $(VENV)/bin
PY := $(BIN)/python
ifneq ($(words $(VENV)),1)
$(error the path of the virtual environment has a space, which make cannot handle: $(VENV))
endif

# Compilers by their common names: a Python may name ones that this machine lacks.
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
export CC CXX
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP := $(PY) -m pip install --quiet
# Where Python.h is, for a Python that came without it.
HEADERS = CPATH=$$(tools/check_requirements.sh headers $(PY)) || exit 1; export CPATH;

# What is done in an environment is noted in it.
DONE := $(VENV)/share/trt-mtcnn
SOURCES := setup.py $(wildcard pytrt/*.pyx pytrt/*.pxd pytrt/*.h) $(shell find csrc -type f)
CPP := $(filter %.cpp %.h %.cu %.cuh,$(SOURCES))

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: install run test test-fast browser window lint asan tsan fuzz soak deepface facenet compat export triton triton-perf ray aarch64 arm-cycles arm-networks amx
.PHONY: bench bench-docs instructions same-results accuracy accuracy-docs gpu-check gpu-kit gpu-model wheel models figures docs tensorrt-headers cuda
.PHONY: tensorrt-rtx clean help release-check portable

install: $(DONE)/installed  ## set up, build and install in place (default)

run: install  ## detect the faces of a photo: make run [PHOTO=path]
	@$(PY) create_engines >/dev/null
	@$(PY) examples/detect_photo.py "$(PHOTO)"

# First side by side what test-fast runs, then one after the other what takes longer.
test: $(DONE)/group-test  ## run all tests; TESTS="tests/unit -k nms" for some
	@$(if $(strip $(TESTS)),$(PY) -m pytest $(TESTS),$(PY) -m pytest -n auto -m "not slow" && $(PY) -m pytest -m slow)

test-fast: $(DONE)/group-test  ## run the tests that take no second each, side by side: under a minute on two cores
	@$(PY) -m pytest -q -n auto -m "not slow" $(TESTS)

browser: $(DONE)/group-browser  ## try the page of mtcnn demo in a headless Chromium; as root, installs that
	@tools/check_requirements.sh programs chromium
	@$(PY) -m pytest --no-skips tests/integration/test_demo_browser.py

WINDOW := build/window
window: $(DONE)/group-test $(WINDOW)/cv2  ## try the window of mtcnn video on a screen in memory; as root, installs that
	@tools/check_requirements.sh programs Xvfb=xvfb openbox wmctrl xdotool libGL.so.1=libgl1
	@$(PY) -m pytest --no-skips tests/integration/test_video_window.py

$(WINDOW)/cv2:
	@echo "== installing an OpenCV with windows in $(WINDOW)"
	@$(PIP) --no-deps --target $(WINDOW) "opencv-python>=4.10"

lint: $(DONE)/group-lint  ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/clang-format --dry-run -Werror $(CPP)
	@PATH="$(abspath $(BIN)):$$PATH" cython-lint pytrt
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >build/imports.log || { cat build/imports.log; exit 1; }

asan: $(DONE)/group-test  ## run the native tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@echo "== building with sanitizers"
	@rm -rf build/asan
	@$(HEADERS) TRT_MTCNN_SANITIZE=address,undefined $(PY) setup.py -q build --build-lib build/asan
	@$(PY) tools/asan.py build/asan $(TESTS)

tsan:  ## run the GPU's kernels with a thread of the CPU for each of their threads under ThreadSanitizer
	@mkdir -p build
	@$(CXX) -std=c++20 -O1 -g -fsanitize=thread -Wall -Wextra -Werror -Icsrc tests/native/kernel_threads.cpp -o build/kernel_threads
	@build/kernel_threads 8

# In place of mtcnn from PyPI, and without TensorFlow, which that one needs.
DEEPFACE := build/deepface
deepface: install $(DEEPFACE)/ready  ## check that DeepFace finds faces with our mtcnn.MTCNN
	@PYTHONPATH=$(CURDIR) $(DEEPFACE)/bin/python tests/clients/deepface_mtcnn.py

$(DEEPFACE)/ready: tests/clients/deepface-requirements.txt $(VENV)/pyvenv.cfg
	@echo "== installing deepface in $(DEEPFACE)"
	@$(PY) -m venv --clear $(DEEPFACE)
	@$(DEEPFACE)/bin/pip install --quiet -r $<
	@$(DEEPFACE)/bin/pip install --quiet --no-deps deepface==0.0.103
	@touch $@

# PyTorch is Debian's, for the CPU: PyPI's is 540 MB, with 2 GB of CUDA's libraries beside it.
FACENET := build/facenet
DEBIAN := /usr/lib/python3/dist-packages
facenet: install $(FACENET)/ready  ## compare with facenet-pytorch itself; as root, installs PyTorch
	@PYTHONPATH=$(CURDIR) $(FACENET)/bin/python -m pytest -q tests/unit/test_compat_facenet.py tests/unit/test_torch_networks.py
	@PYTHONPATH=$(CURDIR) $(FACENET)/bin/python tests/clients/facenet_mtcnn.py

# YUNET: the path of OpenCV's model, which no package has.
compat: install $(FACENET)/ready  ## compare with retina-face, face_recognition and others themselves: make compat [YUNET=FILE]
	@PYTHONPATH=$(CURDIR) $(FACENET)/bin/python -m pytest -q tests/unit/test_compat.py
	@PYTHONPATH=$(CURDIR) YUNET="$(YUNET)" $(FACENET)/bin/python -m tests.clients.other_packages

$(FACENET)/ready: tests/clients/facenet-requirements.txt $(VENV)/pyvenv.cfg
	@test -d $(DEBIAN)/torchvision || tools/check_requirements.sh programs torchvision=python3-torchvision
	@echo "== installing facenet-pytorch in $(FACENET)"
	@$(PY) -m venv --clear $(FACENET)
	@$(FACENET)/bin/pip install --quiet -r $<
	@$(FACENET)/bin/pip install --quiet --no-deps deepface==0.0.103 facenet-pytorch==2.6.0 insightface==2.1 \
	  retina-face==0.0.19 face_recognition==1.3.0 face_recognition_models==0.3.0
	@echo "import sys; sys.path.append('$(DEBIAN)')" >$$($(FACENET)/bin/python -c 'import sysconfig as s; print(s.get_path("purelib"))')/debian.pth
	@$(FACENET)/bin/python -c 'import torchvision' || { echo "Debian's PyTorch is for another Python than $(PY)" >&2; exit 1; }
	@touch $@

aarch64: install  ## cross-compile for 64-bit Arm and compare what it finds, in QEMU, with this machine's faces
	@tools/aarch64.sh $(abspath $(PY))

arm-networks: install  ## cross-compile the networks' kernels for 64-bit Arm and compare them, in QEMU, with this machine's
	@tools/check_requirements.sh programs aarch64-linux-gnu-g++=g++-aarch64-linux-gnu qemu-aarch64-static=qemu-user-static
	@$(PY) -m benchmarks.arm.check

arm-cycles: install  ## predict the networks' cycles on Arm processors: make arm-cycles [ARM="--base REVISION"]
	@$(PY) -m benchmarks.arm.predict $(ARM)

# In an environment of its own: TensorFlow is large, and particular about its neighbours.
EXPORT := build/export
export: install $(EXPORT)/ready  ## check the conversion of Keras weights to ONNX, with TensorFlow
	@$(EXPORT)/bin/python -c 'import tensorflow, tf2onnx' 2>build/export.log || { cat build/export.log >&2; exit 1; }
	@PYTHONPATH=$(CURDIR) $(EXPORT)/bin/python -m pytest tests/unit/test_weights.py tests/integration/test_export.py

$(EXPORT)/ready: tests/clients/export-requirements.txt $(VENV)/pyvenv.cfg
	@echo "== installing TensorFlow and tf2onnx in $(EXPORT)"
	@$(PY) -m venv --clear $(EXPORT)
	@$(EXPORT)/bin/pip install --quiet -r $<
	@touch $@

# A server whose models need NumPy 1, so in an environment of its own.
TRITON_VENV := build/triton
triton: install $(TRITON_VENV)/ready  ## test with a Triton Inference Server, and load it with perf_client
	@$(TRITON_VENV)/bin/python -m pytest tests/triton tests/unit/test_serving_client.py tests/unit/test_serving_repository.py
	@$(TRITON_VENV)/bin/python -m benchmarks.triton.perf --quick

triton-perf: install $(TRITON_VENV)/ready  ## load a Triton server with perf_client: make triton-perf [TRITON="--output FILE"]
	@$(TRITON_VENV)/bin/python -m benchmarks.triton.perf $(TRITON)

$(TRITON_VENV)/ready: tests/triton/requirements.txt $(VENV)/pyvenv.cfg
	@echo "== installing a Triton Inference Server in $(TRITON_VENV)"
	@$(PY) -m venv --clear $(TRITON_VENV)
	@$(TRITON_VENV)/bin/pip install --quiet -r $<
	@touch $@

# In an environment of its own, for its size.
RAY := build/ray
ray: install $(RAY)/ready  ## test detection on a Ray cluster of several nodes, and kill some of it
	@PYTHONPATH=$(CURDIR) $(RAY)/bin/python -m pytest tests/scale tests/unit/test_scale.py

$(RAY)/ready: tests/scale/requirements.txt $(VENV)/pyvenv.cfg
	@echo "== installing Ray in $(RAY)"
	@$(PY) -m venv --clear $(RAY)
	@$(RAY)/bin/pip install --quiet -r $<
	@touch $@

FUZZ_SECONDS ?= 300
fuzz: $(DONE)/group-fuzz  ## call everything with hostile input under the same sanitizers: make fuzz [FUZZ_SECONDS=3600]
	@command -v clang++ >/dev/null || { echo "make fuzz needs clang: sudo apt install clang" >&2; exit 1; }
	@echo "== building with sanitizers and clang's coverage"
	@$(HEADERS) CC=clang CXX=clang++ TRT_MTCNN_SANITIZE=address,undefined,fuzzer-no-link \
	  $(PY) setup.py -q build --build-lib build/fuzz
	@$(PY) tools/fuzz.py build/fuzz --seconds $(FUZZ_SECONDS) $(FUZZ)

SOAK_SECONDS ?= 3600
soak: install  ## detect for an hour, watching memory: make soak [SOAK_SECONDS=60]
	@$(PY) benchmarks/soak.py --seconds $(SOAK_SECONDS) $(SOAK)

amx:  ## compare the networks on AMX with what they must give: make amx [AMX="BOCHS FIRMWARE KERNEL"], which plays one
	@tools/amx.sh $(AMX)

bench: $(DONE)/group-bench  ## time it beside other detectors: make bench [BENCH="--full --yunet MODEL"]
	@$(PY) -m benchmarks.speed.compare $(BENCH)

bench-docs: $(DONE)/group-bench  ## put the newest reports of make bench into docs/speed.md and README.md
	@$(PY) -m benchmarks.speed.publish $(REPORTS)

instructions: install  ## compare the instructions of a detection with the committed figures; needs valgrind
	@$(PY) -m benchmarks.instructions.check $(INSTRUCTIONS)

same-results: install  ## compare detections, bit for bit, with another build: make same-results BASE=revision or folder
	@$(PY) tools/compare_results.py "$(BASE)"

accuracy: $(DONE)/group-accuracy  ## measure it beside other MTCNNs: make accuracy [ACCURACY="--data DIR"]
	@$(PY) -m benchmarks.accuracy.compare $(ACCURACY)

accuracy-docs: install  ## put the newest reports of make accuracy into docs/accuracy.md and docs/verification.md
	@$(PY) -m benchmarks.accuracy.publish

# Needs no network and no virtual environment: only a Python with NumPy, OpenCV, Cython and setuptools.
GPU_PY = $(if $(wildcard $(PY)),$(PY),$(PYTHON))
gpu-check:  ## build, test and time it on an NVIDIA GPU, one JSON report: make gpu-check [GPU_CHECK="--parts speed"]
	@CPATH=$$(tools/check_requirements.sh headers $(GPU_PY)) $(GPU_PY) benchmarks/gpu/check.py $(GPU_CHECK)

gpu-kit: install  ## pack what make gpu-check needs for a machine without a network: make gpu-kit [GPU_KIT="--data DIR"]
	@$(PY) -m benchmarks.gpu.kit $(GPU_KIT)

gpu-model: install  ## reckon what a detection takes on a GPU, kernel by kernel: make gpu-model [GPU_MODEL="--gpu l4"]
	@$(PY) -m benchmarks.gpu.model $(GPU_MODEL)

# Of each of PYTHONS too, which need no environment for it. On Linux with the CUDA kernels, but for CUDA_HOME=none.
CUDA_BUILD := $(if $(filter none,$(CUDA_HOME)),,$(if $(filter Linux,$(shell uname -s)),$(DONE)/group-cuda-build))
wheel: export TRT_MTCNN_OBJECTS := $(CURDIR)/build/objects/kept
wheel: $(DONE)/group-dist $(CUDA_BUILD)  ## build the sdist and, from it, the wheel, in dist/: make wheel [PYTHONS="python3.10 ..."]
	@echo "== building the sdist and the wheel"
	@rm -rf dist
	@mkdir -p build
	@{ $(HEADERS) CUDA_HOME=$$($(PY) tools/find_sdks.py) $(PY) -m build --outdir dist 2>&1; echo $$? >build/wheel.rc; } | \
	  tee build/wheel.log | awk '/^   (nvcc|[0-9]+ of [0-9]+):/ && !/\(kept\)/ { print; fflush() }'
	@test "$$(cat build/wheel.rc)" = 0 || { cat build/wheel.log; exit 1; }
	@cuda=$$($(PY) tools/find_sdks.py); for python in $(PYTHONS); do \
	  CUDA_HOME=$$cuda CPATH=$$(tools/check_requirements.sh headers $$python) $$python -m pip wheel --quiet --no-deps --wheel-dir dist \
	    dist/*.tar.gz || exit 1; \
	done
	@ls dist/*

portable: $(DONE)/group-lint $(DONE)/group-portable  ## compile for Windows and macOS, and check types for both
	@$(PY) tools/portable.py
	@for system in win32 darwin; do $(BIN)/mypy --platform $$system --cache-dir build/mypy-$$system mtcnn pytrt || exit 1; done

release-check: install  ## check that this may be released: version, changelog, a wheel that works
	@$(PY) tools/release_check.py $(PYTHONS)

models: $(DONE)/extra-models  ## check that mtcnn/models/ is what tools/make_models.py makes of the original weights
	@$(PY) tools/make_models.py --check && echo "mtcnn/models: as made from the original weights"

figures: install  ## draw the pictures of the documentation
	@$(PY) docs/make_figures.py

docs: $(DONE)/group-docs  ## build the documentation as a site, in build/site
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet && echo "build/site/index.html"

tensorrt-headers:  ## get NVIDIA's TensorRT headers: make tensorrt-headers [TENSORRT_TAG=...] [TENSORRT_ROOT=...]
	@tools/tensorrt_headers.sh "$(TENSORRT_REPO)" "$(TENSORRT_TAG)" "$(TENSORRT_ROOT)"
	@rm -f $(DONE)/built

cuda: $(DONE)/group-cuda-build  ## get CUDA's compiler from PyPI where the machine has none, and build the kernels
	@echo "== building with the CUDA kernels"
	@test -f build/ptxas.log || touch csrc/cuda/cuda_device.cu
	@$(HEADERS) $(PY) setup.py -q build_ext --inplace
	@$(PY) tools/kernel_usage.py build/ptxas.log

tensorrt-rtx: $(DONE)/extra-tensorrt-rtx  ## get TensorRT-RTX from PyPI, which builds engines without a GPU

clean:  ## remove what was built; the environment .venv stays
	@rm -rf build dist *.egg-info pytrt/*.so detected.jpg
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' Makefile

$(VENV)/pyvenv.cfg:
	@test -z "$(VIRTUAL_ENV)" || { echo "VIRTUAL_ENV is $(VIRTUAL_ENV), which is no virtual environment" >&2; exit 1; }
	@tools/check_requirements.sh python "$(PYTHON)"
	@echo "== making the virtual environment .venv"
	@$(PYTHON) -m venv --clear .venv

# Newer than all else where another checkout has used the environment since: that one is what is installed in it.
$(DONE)/checkout: FORCE | $(VENV)/pyvenv.cfg
	@mkdir -p $(DONE)
	@test "$$(cat $@ 2>/dev/null)" = "$(CURDIR)" || echo "$(CURDIR)" >$@

FORCE:

# What pyproject.toml requires of a build, once; builds then need no network.
$(DONE)/tools: pyproject.toml $(VENV)/pyvenv.cfg $(DONE)/checkout
	@tools/check_requirements.sh python $(PY)
	@tools/check_requirements.sh compiler $(CXX)
	@echo "== installing the build tools"
	@sed -n 's/^requires = \[\(.*\)\]/\1/p' pyproject.toml | tr ',' '\n' | xargs $(PIP)
	@touch $@

$(DONE)/built: $(SOURCES) $(DONE)/tools $(if $(wildcard pytrt/_pytrt.*.so),,FORCE)
	@echo "== building csrc/ and pytrt/"
	@$(HEADERS) $(PY) setup.py -q build_ext --inplace
	@touch $@

$(DONE)/installed: pyproject.toml setup.py $(DONE)/tools | $(DONE)/built
	@echo "== installing trt-mtcnn in place, and what it needs"
	@$(HEADERS) $(PIP) --no-build-isolation --editable '.[images]'
	@touch $@
	@echo "== ready: make run, make test, ./create_engines"

# Groups of what only developers need, which pip knows from 25.1 on.
$(DONE)/group-%: pyproject.toml $(DONE)/installed | $(DONE)/built
	@echo "== installing what \"$*\" needs"
	@$(PY) -m pip install --help | grep -q -e --group || $(PIP) 'pip>=25.1'
	@$(PIP) --group $*
	@touch $@

$(DONE)/extra-%: pyproject.toml $(DONE)/installed | $(DONE)/built
	@echo "== installing what \"$*\" needs"
	@$(HEADERS) $(PIP) --no-build-isolation --editable '.[$*]'
	@touch $@
