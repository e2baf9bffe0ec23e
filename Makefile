# Every target sets up what it needs: a .venv with the versions of constraints.txt. The second time is quick.
PYTHON ?= python3
BIN := .venv/bin
CHROMIUM ?= chromium

.PHONY: demo test test_slow test_browser lint app clean

demo: .venv/ready  ## real DICOM files answered by the embedded model, in the terminal and as an HTML report
	$(BIN)/python -m app.demo --output_path demo_report

# In two processes, each with one thread: what is slow in it waits for other processes, not for arithmetic.
test: .venv/ready  ## the default suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test_slow: .venv/ready  ## a built wheel, installed beside folders of the same names
	$(BIN)/python -m pytest -m slow

test_browser: .venv/browser  ## the viewer in Debian's Chromium; MEDFLY_SHOTS=FOLDER keeps its screenshots
	@command -v $(CHROMIUM) >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	MEDFLY_CHROMIUM="$$(command -v $(CHROMIUM))" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser tests/browser

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

app: .venv/ready  ## the viewer, on this machine only
	$(BIN)/medfly app

# torch comes first and alone: where a CPU build is on offer, nothing else then asks for a larger one.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else f"MedFly needs Python 3.11 or later; found {sys.version.split()[0]}. Try: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,lint]'
	touch $@

.venv/browser: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[browser]'
	touch $@

clean:
	rm -rf .venv demo_report build *.egg-info
