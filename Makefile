# Everything runs in a virtual environment of its own, made when it is missing
# and made again when the requirements change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.requirements
PEERS := .venv-benchmark
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: demo test lint format explorer screenshots notebooks benchmark benchmark-ratios clean

# The main job on data that ships with the package: three minutes. As many
# threads for each training everywhere, for the same digits.
demo: $(STAMP)
	$(BIN)/keras-sharpness sweep --dataset mnist_5k --network s1 \
		--batch-sizes 16,128,2000 --seeds 5 --stop-loss 0.01 \
		--subspace-dim 0 --measure hessian_trace \
		--workers 2 --threads 1 --out runs/demo

# One run for all, the examples of the documentation too: workers that start
# twice, and wait twice for the longest test, take half a minute more. What they
# leave behind, as examples and TensorFlow Datasets do, is kept for a look where
# one fails.
test: lint
	temporary=$$(mktemp -d) && TMPDIR=$$temporary \
		$(BIN)/python -m pytest -n 2 --dist worksteal --markdown-docs \
		-p no:cacheprovider tests README.md keras_sharpness && \
		rm -r $$temporary

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

explorer: $(STAMP)
	$(BIN)/streamlit run explorer/app.py

# docs/explorer: pictures of the pages, taken in a real browser.
screenshots: $(STAMP)
	$(BIN)/python explorer/screenshots.py

# docs/notebooks: the notebooks with their outputs.
notebooks: $(STAMP)
	$(BIN)/python notebooks/render.py

# Beside the PyTorch libraries, which get an environment of their own. The
# package's own ratios: benchmark-ratios.
benchmark: $(PEERS)/.requirements
	$(PEERS)/bin/python benchmarks/peers/run.py

# All but the one that takes hours.
RATIOS := $(filter-out benchmarks/large_network.py,$(wildcard benchmarks/[a-z]*.py))
benchmark-ratios: $(STAMP)
	for script in $(RATIOS); do \
		$(BIN)/python $$script || exit 1; done

$(PEERS)/.requirements: pyproject.toml requirements.txt benchmarks/requirements.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade pip
	$(PEERS)/bin/python -m pip install --quiet -r requirements.txt \
		-r benchmarks/requirements.txt
	$(PEERS)/bin/python -m pip install --quiet --editable .
	touch $@

$(STAMP): pyproject.toml requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Python 3.11 or newer is needed. Try: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) $(PEERS)
