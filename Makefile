# SPDX-License-Identifier: Apache-2.0
# `make run` is the main job; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help build run test bench fuzz coverage wheel docs format tidy clean

help: ## this list
	@awk -F': .*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

build: ## build/bin/deeptm and build/lib/libdeeptm.so (installs what is missing)
	@scripts/bootstrap run
	@scripts/build product

run: build ## the main job: MobileNet on Fashion-MNIST in a fifth of the memory it needs, checked against stock TensorFlow
	@scripts/run

test: ## every test
	@scripts/bootstrap run test wheel docs
	@scripts/build test
	@scripts/test

bench: ## the benchmarks (results/bench)
	@scripts/bootstrap run bench
	@scripts/build bench
	@scripts/bench

fuzz: ## the fuzzers, a minute each (FUZZ_SECONDS): executions, coverage, crashes
	@scripts/bootstrap run fuzz
	@scripts/fuzz

coverage: ## lines and branches of the live half that its tests run: build/coverage/report.html
	@scripts/bootstrap run test coverage
	@scripts/coverage

wheel: ## the Python package: results/wheels/deeptm-….whl, and its sources
	@scripts/bootstrap run wheel
	@scripts/wheel

docs: ## the documentation as a site, with the C interface: build/docs
	@scripts/bootstrap run docs
	@scripts/docs

format: ## clang-format on every source file
	@scripts/bootstrap run develop
	@scripts/format

tidy: ## clang-tidy on every source file
	@scripts/bootstrap run test bench develop
	@cmake --preset tidy --log-level=WARNING
	@cmake --build --preset tidy

clean: ## removes build/ (not .venv, not results/)
	@rm -rf build
