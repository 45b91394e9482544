# make demo     the tour on the samples, in build/demo        make check        everything a change must pass
# make quick    the tests that take a minute, all together    make test-oldest  the tests on the oldest allowed dependencies
# make test     the tests; ARGS="-k coco" picks some          make samples      writes samples/ anew
# make fuzz     commands on damaged inputs, for a minute      ARGS="--minutes 60 --seed 7 --keep build/fuzz" for longer
# make lint     style, types, layers                          make clean        removes what these made
#
# The first run sets up .venv by itself; PYTHON=python3.13 chooses another interpreter, EXTRAS=dev other extras.

VENV := .venv
OLDEST := .venv-oldest
EXTRAS := dev,train
PYTHON := python3.11 python3 python3.14 python3.13 python3.12
ARGS :=

PIP_INSTALL = -m pip install --quiet --disable-pip-version-check --no-input
CHECK = VIRTUAL_ENV="$(CURDIR)/$(VENV)" tools/check.sh

.PHONY: demo quick test fuzz check lint samples test-oldest clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

demo: $(VENV)/.train,weights,onnx
	@rm -rf build/demo && mkdir -p build
	@$(VENV)/bin/segdata demo --out build/demo

quick: $(VENV)/.$(EXTRAS)
	@$(CHECK) quick $(ARGS)

test: $(VENV)/.$(EXTRAS)
	@$(CHECK) tests $(ARGS)

fuzz: $(VENV)/.$(EXTRAS)
	@$(CHECK) fuzz $(ARGS)

lint: $(VENV)/.$(EXTRAS)
	@$(CHECK) lint

check: $(VENV)/.$(EXTRAS)
	@$(CHECK)

samples: $(VENV)/.base
	@$(VENV)/bin/python tools/make_samples.py

test-oldest: $(OLDEST)/.oldest
	@VIRTUAL_ENV="$(CURDIR)/$(OLDEST)" tools/check.sh tests $(ARGS)

clean:
	rm -rf $(VENV) $(OLDEST) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find segdata tools tests -name __pycache__ -prune -exec rm -rf {} +

# Each stamp stands for one finished install, so that a second run starts at once and a changed pin installs again.
$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing segdata into $(VENV) ..."
	@$(VENV)/bin/python $(PIP_INSTALL) -c constraints.txt -e .
	@touch $@

$(VENV)/.%: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing segdata[$*] into $(VENV) ..."
	@$(VENV)/bin/python $(PIP_INSTALL) -c constraints.txt -e ".[$*]"
	@touch $(VENV)/.base $@

$(OLDEST)/.oldest: pyproject.toml constraints.txt constraints-oldest.txt | $(OLDEST)/bin/pip
	@echo "Installing segdata and its oldest allowed dependencies into $(OLDEST) ..."
	@$(OLDEST)/bin/python $(PIP_INSTALL) -c constraints.txt pytest pytest-xdist hypothesis
	@$(OLDEST)/bin/python $(PIP_INSTALL) -c constraints-oldest.txt -e .
	@touch $@

# pip is what making a virtual environment writes last: one that was broken off is made again.
%/bin/pip:
	@for python in $(PYTHON); do \
	    if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        exec $$python -m venv $*; \
	    fi; \
	done; \
	echo "error: segdata needs Python 3.11 or newer, with its venv module (on Debian: apt-get install python3-venv)" >&2; \
	exit 1
