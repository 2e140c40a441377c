# Every target makes its own environment in .venv from nothing but Python and pip.
PYTHON ?= python3
METHOD ?= msmclr
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: demo test test-full lint format docs pictures pictures-check bench clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(RUN) -m pip install --disable-pip-version-check --progress-bar off --quiet -c constraints.txt -e ".[dev,docs]"
	touch $@

demo: $(STAMP)  ## Train METHOD (msmclr, aimclr, skeletonclr, skeattnclr, crossmoco, actclr, pstl, crossclr, skelemixclr, hiclr, isc) on the synthetic set, evaluate it, draw pictures into runs/demo or runs/demo_METHOD.
	$(RUN) examples/demo.py --method $(METHOD)

# Two workers of as many threads as there are cores would wait for each other: ten times the time.
test test-full: export OMP_NUM_THREADS = 1

test: $(STAMP)  ## The test suite, doctests and README included.
	$(RUN) -m pytest -n 2 --dist worksteal -m "not slow and not browser"

test-full: $(STAMP)  ## Everything, slow cases too, with coverage.
	$(RUN) -m pytest -n 2 --dist worksteal --timeout 1800 --cov --cov-report=term

lint: $(STAMP)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(RUN) -m codespell_lib
	$(RUN) tests/check_phrases.py

format: $(STAMP)
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

docs: $(STAMP)
	$(RUN) -m sphinx -W --keep-going -b html docs docs/_build/html
	$(RUN) -m sphinx -W --keep-going -b doctest docs docs/_build/doctest

pictures: $(STAMP)  ## Draw docs/pictures: all of them, or ONLY="road viz", which are scripts of docs/gallery or pictures. ONLY=pages needs Chromium and selenium.
	$(RUN) docs/gallery/draw.py $(ONLY)

pictures-check: $(STAMP)  ## Say which of docs/pictures no longer look as they are drawn; test-full does it too.
	$(RUN) docs/gallery/draw.py --check $(ONLY)

bench: $(STAMP)
	$(RUN) -m benchmarks.speed.run

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage docs/_build dist build
