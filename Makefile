# `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Tests run many small processes side by side: threads that wait for each other by spinning would starve them.
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test acceptance lint format ir lock clean

help: ## List these targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## Make .venv with everything in it, from the hash-locked requirements

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## Set up, then phantoms → registered champion through `dvc repro`
	$(BIN)/python scripts/demo.py

ui: $(READY) ## Open the demo's MLflow on http://127.0.0.1:5000 until you press Ctrl-C
	$(BIN)/mlflow server --port 5000 --workers 1 --backend-store-uri sqlite:///demo/mlflow/mlflow.db --artifacts-destination demo/mlflow/artifacts

test: lint ## Set up, lint, check types, run the tests
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile -m "not acceptance"

acceptance: $(READY) ## The long ones: ten kills, studies on the real sets
	$(ONE_THREAD) $(BIN)/python -m pytest -m acceptance -s

lint: $(READY) ## Lint, format and type checks; the compiled pipeline is fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pipelines check

format: $(READY) ## Let ruff fix and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ir: $(READY) ## Compile the Kubeflow pipeline and components anew
	$(BIN)/python -m pipelines compile

lock: $(READY) ## Resolve the requirements anew (needs uv)
	uv pip compile pyproject.toml --all-extras --generate-hashes --python-version 3.11 --no-header -o requirements.lock

clean: ## Remove what the demo made, but not .venv
	rm -rf demo artifacts .medgraft dvc.lock
