# What can be asked of this repository. Each target but `env` is one script of ci/, so a CI can call them alone.
.DEFAULT_GOAL := help
.PHONY: help env grade test bench clean

help:  # the list of targets
	@sed -n 's/^\([a-z]*\):.*  # \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

env: .venv/.made  # a virtual environment in .venv with everything in it

# Made again when the dependencies or the way of making it change. The stamp comes last: half an environment is none.
.venv/.made: pyproject.toml ci/setup
	ci/setup
	@touch $@

grade: env  # grade this host's sockets and every sample submission; reports in out/
	ci/grade

test: env  # everything that CI wants to see pass
	ci/all

bench: env  # the benchmarks
	ci/bench

clean:  # remove what the other targets made
	rm -rf .venv build dist out .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
