# All development and serving tasks; `make help` lists them. Debian 12, any directory, root or a user with sudo.
#
# A normal user's virtual environment is .venv. Root's is in /var/lib/inkwell, because Apache's children then run as
# www-data and must be able to read it, wherever the checkout is; see service/inkwell/apache/site.py.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Debian's own interpreter: another one on the PATH may be in a home folder that www-data cannot access.
SYSTEM_PYTHON := /usr/bin/python3
# apache2-bin and not apache2, which would start a server on port 80.
SERVE_PACKAGES := apache2-bin apache2-dev curl g++ gcc python3-dev python3-venv
TEST_PACKAGES := buildah catatonit chromium conmon debootstrap libsubid4 openssl runc systemd wamerican

ifeq ($(shell id -u),0)
CHECKOUT_ID := $(shell basename '$(CURDIR)' | tr -c 'A-Za-z0-9\n' - | cut -c1-32)-$(shell printf %s '$(CURDIR)' | sha256sum | cut -c1-8)
RUNTIME := /var/lib/inkwell/$(CHECKOUT_ID)
VENV := $(RUNTIME)/venv
STAGE := --stage $(RUNTIME)
else
SUDO := sudo
VENV := .venv
endif
PYTHON := $(VENV)/bin/python
OPENVINO_VENV := $(VENV)-openvino
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' service/inkwell/__init__.py)
# The image tags that the chart expects; the CPU image is also tagged `latest`.
IMAGE_TAGS = inkwell:$(VERSION)$(if $(filter cuda,$(DEVICE)),-cuda, --tag inkwell:latest)
# Runs on all cores. Tests of one file run in one process, because they share fixtures; torch uses one core per process.
PARALLEL_TESTS = OMP_NUM_THREADS=1 $(PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
# Most slow tests start servers that use all cores themselves. Building the image requires root.
SERIAL_TESTS = $(PYTHON) -m pytest -m 'slow and not parallel$(if $(SUDO), and not root)'
# The default model is loaded at startup, so that the first request does not wait for it.
DEFAULT_MODEL := $(or $(MODEL),$(INKWELL_DEFAULT_MODEL),demo)
INKWELL_PRELOAD ?= $(DEFAULT_MODEL)
DEV_HOST := $(or $(INKWELL_HOST),127.0.0.1)
DEV_PORT := $(or $(PORT),$(INKWELL_PORT),8000)
# Text logs, because a person reads them here; the service's own default is JSON, for log collectors.
SETTINGS := INKWELL_LOG_FORMAT='$(or $(INKWELL_LOG_FORMAT),text)' $(if $(PORT),INKWELL_PORT='$(PORT)') INKWELL_DEFAULT_MODEL='$(DEFAULT_MODEL)'

# Install the missing packages of $(1). If none is missing, do nothing and ask for no password.
define apt_install
@missing=$$(for name in $(1); do \
    [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$name 2>/dev/null)" = installed ] || echo $$name; done | xargs); \
if [ -n "$$missing" ]; then \
    [ -z "$(SUDO)" ] || command -v $(SUDO) >/dev/null || { echo "Install these as root first: $$missing" >&2; exit 1; }; \
    echo "==> Installing system packages: $$missing"; \
    $(SUDO) apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null; \
    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends $$missing >/dev/null; \
fi
endef

# Install a requirements file; with a terminal pip shows its progress.
define pip_install
@echo "==> Installing $(1) into $(VENV)$(2)"
@umask 022; quiet=$$([ -t 1 ] || echo -qq); \
$(PYTHON) -m pip install $$quiet --disable-pip-version-check --no-input --use-pep517 -r $(1)
@touch $@
endef

# Put the programs $(2) of the Debian package $(1) beside Python. The package is not installed, because that would start
# its server or enable it in systemd. Their dependencies are in TEST_PACKAGES.
define fetch_program
@echo "==> Fetching Debian's $(1) for the tests"
@venv=$$(realpath $(VENV)); folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; cd "$$folder"; \
fetch() { apt-get -qq -o APT::Sandbox::User=$$(id -un) download $(1); }; \
fetch 2>/dev/null || { $(SUDO) apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null; fetch; }; \
dpkg-deb --fsys-tarfile $(1)_*.deb | tar -x -C "$$venv/bin" --touch --strip-components=3 $(addprefix ./,$(2))
endef

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  serve and dev take PORT=9000 and MODEL=124M; INKWELL_* variables set everything else (docs/reference.md)"

.PHONY: serve
serve: $(VENV)/.serve-ready ## Set everything up and serve on http://127.0.0.1:8000
	@$(SETTINGS) INKWELL_PRELOAD='$(INKWELL_PRELOAD)' exec $(PYTHON) -m inkwell $(STAGE)

.PHONY: dev
dev: $(VENV)/.serve-ready ## Run Flask's development server, which reloads changed code
	@echo "==> Serving http://$(DEV_HOST):$(DEV_PORT)/ and /apidocs/; press Ctrl-C to stop"
	@$(SETTINGS) INKWELL_PRELOAD= exec $(PYTHON) -m flask --app inkwell.dev run --debug --host $(DEV_HOST) --port $(DEV_PORT)

.PHONY: test
test: $(VENV)/.test-ready $(addprefix $(VENV)/bin/,nginx podman promtool) | system-test ## Set everything up and run every test
	@$(PARALLEL_TESTS) -m 'not slow or parallel' || failed=1; $(SERIAL_TESTS) || failed=1; exit $${failed:-0}
	@$(if $(SUDO),echo "==> Skipped the tests of the image: they require root (sudo make test)")

.PHONY: test-fast
test-fast: $(VENV)/.test-ready ## Run the tests that start neither Apache nor a browser
	@$(PARALLEL_TESTS) -m 'not slow'

.PHONY: bench
bench: $(VENV)/.bench-ready ## Measure Inkwell and transformers side by side; BENCH='--quick' takes a minute
	@$(PYTHON) scripts/bench.py $(BENCH)

.PHONY: bench-openvino
bench-openvino: $(VENV)/.bench-ready $(OPENVINO_VENV)/.packages-ready ## Measure OpenVINO GenAI as well
	@$(PYTHON) scripts/bench.py --openvino $(OPENVINO_VENV)/bin/python $(BENCH)

.PHONY: simulate
simulate: $(VENV)/.bench-ready ## Simulate pods that scale: the tables of docs/operations.md, a minute or two
	@$(PYTHON) scripts/simulate_scaling.py $(or $(SIMULATE),page)

.PHONY: lint
lint: $(VENV)/.test-ready ## Check style, format and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

.PHONY: fmt
fmt: $(VENV)/.test-ready ## Fix formatting, and style issues with safe fixes
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

.PHONY: docs
docs: $(VENV)/.serve-ready ## Render the tables, the layers and the tree of docs/reference.md and docs/architecture.md
	@$(PYTHON) scripts/render_docs.py

.PHONY: image
image: ## Build the container image with docker, podman or buildah: make image DEVICE=cuda MODELS=124M TAG=mine
	@docker/build.sh $(or $(TAG),$(IMAGE_TAGS)) $(if $(DEVICE),--build-arg DEVICE='$(DEVICE)') \
	    $(if $(MODELS),--build-arg MODELS='$(MODELS)')

.PHONY: lock
lock: $(VENV)/.test-ready ## Update the lock files of the image after a change of requirements.txt
	@docker/lock.sh $(VENV)/bin/uv $(TORCH)

.PHONY: k8s
k8s: $(VENV)/.test-ready ## Render the chart's schema and README, and the plain manifests in k8s/
	@$(PYTHON) scripts/render_chart.py

.PHONY: model
model: $(VENV)/.serve-ready ## Download a checkpoint: make model NAME=124M
	@$(if $(NAME),,echo "no model given; usage: make model NAME=124M" >&2; exit 2;) $(PYTHON) scripts/download_model.py $(NAME)

.PHONY: clean
clean: ## Remove everything the other targets created, except downloaded models
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis $(or $(RUNTIME),$(VENV) $(OPENVINO_VENV))

# --- Prerequisites of the targets above; files that end in -ready are stamps

.PHONY: serve-ready system-serve system-test
serve-ready: $(VENV)/.serve-ready
system-serve:
	$(call apt_install,$(SERVE_PACKAGES))
system-test:
	$(call apt_install,$(TEST_PACKAGES))

$(PYTHON): | system-serve
	@echo "==> Creating the virtual environment $(VENV)"
	@umask 022; mkdir -p "$$(dirname $(VENV))"; $(SYSTEM_PYTHON) -m venv $(VENV)

$(VENV)/.packages-ready: requirements.txt | system-serve $(PYTHON)
	$(call pip_install,$<,: PyTorch is large; the first installation takes minutes)

# Without native kernels the service falls back to torch, which is slower; a failed build is therefore not fatal.
$(VENV)/.serve-ready: $(VENV)/.packages-ready $(wildcard service/inkwell/engine/native/*.?pp) service/inkwell/engine/native/build.py
	@echo "==> Compiling the native kernels"
	@umask 022; echo '$(CURDIR)/service' > "$$($(PYTHON) -c 'import site; print(site.getsitepackages()[0])')/inkwell.pth"; \
	$(PYTHON) -m inkwell.engine.native.build >/dev/null || echo "==> Native kernels are unavailable; falling back to torch"
	@touch $@

$(VENV)/.test-ready: requirements-dev.txt $(VENV)/.bench-ready
	$(call pip_install,$<)

$(VENV)/bin/promtool: | system-test $(PYTHON)
	$(call fetch_program,prometheus,usr/bin/prometheus usr/bin/promtool)

$(VENV)/bin/nginx: | system-test $(PYTHON)
	$(call fetch_program,nginx,usr/sbin/nginx)

$(VENV)/bin/podman: | system-test $(PYTHON)
	$(call fetch_program,podman,usr/bin/podman)

$(VENV)/.bench-ready: requirements-bench.txt requirements-oracle.txt $(VENV)/.serve-ready
	$(call pip_install,$<)

# A separate environment, because the exporter requires other releases than the service. It also installs a torchvision
# built for torch with CUDA, which cannot be imported with this torch and is not needed here.
$(OPENVINO_VENV)/.packages-ready: requirements-openvino.txt | system-serve
	@echo "==> Installing $< into $(OPENVINO_VENV)"
	@$(SYSTEM_PYTHON) -m venv $(OPENVINO_VENV)
	@$(OPENVINO_VENV)/bin/python -m pip install -qq --disable-pip-version-check torch==2.13.0 -r $<
	@$(OPENVINO_VENV)/bin/python -m pip uninstall -q -y torchvision
	@touch $@
