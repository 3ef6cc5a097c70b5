# SPDX-License-Identifier: Apache-2.0
"""What a user installs: the wheel in a fresh environment, a prefix, the sources as a part of another project."""

import os
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build"
C_PROGRAM = CHECKOUT / "examples/c_program"
SCRIPT = CHECKOUT / "examples/fit.py"
SAYS = "64 buffers of 1 MiB in 16 MiB, 0 wrong words"
TENSORFLOW_IN = pathlib.Path(sys.prefix) / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), text=True, capture_output=True, timeout=1500, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


def files_below(folder):
    return {path for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """(wheel, sdist)."""
    folder = tmp_path_factory.mktemp("wheels")
    run("scripts/wheel", "--out", folder, cwd=CHECKOUT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


class Environment:
    """A fresh one. Of the checkout's own it sees TensorFlow and the solver, which take a minute to install."""

    def __init__(self, folder):
        self.folder = folder
        run(sys.executable, "-m", "venv", folder)
        (self.packages,) = folder.glob("lib/python3*/site-packages")
        self.before = files_below(folder)
        (self.packages / "tensorflow-of-checkout.pth").write_text(f"{TENSORFLOW_IN}\n")
        self.home = folder / "home"
        self.home.mkdir()

    @property
    def variables(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEEPTM_", "PYTHON", "XDG_"))}
        return kept | {"HOME": str(self.home), "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}

    def run(self, *command, **options):
        return run(*command, env=self.variables, cwd=self.home, **options)


@pytest.fixture(scope="module")
def environment(wheels, tmp_path_factory):
    made = Environment(tmp_path_factory.mktemp("environment"))
    made.run("pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", wheels[0])
    # highsbox is a dependency: installed by its name where there is a registry, here lent like TensorFlow.
    (made.packages / "highsbox").symlink_to(TENSORFLOW_IN / "highsbox")
    return made


def test_wheel_has_no_more_than_it_needs(wheels):
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert re.fullmatch(r"deeptm-[0-9.]+-py3-none-manylinux_2_[0-9]+_x86_64(\.[a-z0-9_]+)?\.whl", wheels[0].name)
    assert {"deeptm/bin/deeptm", "deeptm/lib/libdeeptm.so", "deeptm/include/deeptm/runtime.h",
            "deeptm/share/deeptm/graphs/mobilenet.graph.json.zst"} <= set(names)
    assert any(name.startswith("deeptm/share/deeptm/adapters/tensorflow/") for name in names)
    assert not [name for name in names if re.search(r"__pycache__|tests?/|\.a$|\.git", name)]
    assert sum(entry.file_size for entry in zipfile.ZipFile(wheels[0]).infolist()) < 40e6


def test_sdist_has_all_that_is_built_from_and_no_more(wheels):
    names = tarfile.open(wheels[1]).getnames()
    assert any(name.endswith("/src/cli/main.cpp") for name in names)
    assert not [name for name in names if re.search(r"/(tests|bench|results|build)/", name)]


def test_command_trains_own_script(environment):
    assert re.fullmatch(r"deeptm [0-9.]+\n", environment.run("deeptm", "--version").stdout)
    environment.run("deeptm", "doctor")
    plain = environment.run("python", SCRIPT, "--deterministic")
    bounded = environment.run("deeptm", "run", "--fast", "32MiB", "--", "python", SCRIPT, "--deterministic")
    result = re.compile(r"^result \S+$", re.M)
    assert result.findall(bounded.stdout) == result.findall(plain.stdout) != []
    assert "fast memory: limit 32.0 MiB" in bounded.stderr


def test_documentation_comes_along(environment):
    (readme,) = re.findall(r"^Documentation: (.+)$", environment.run("deeptm", "--help").stdout, re.M)
    assert str(environment.packages) in readme
    links = re.findall(r"\]\(([^)#:]+)[^)]*\)", pathlib.Path(readme).read_text())
    assert len(links) > 5 and not [link for link in links if not (pathlib.Path(readme).parent / link).exists()]


def test_built_in_models_train_with_the_environments_own_python(environment):
    done = environment.run(environment.folder / "bin/deeptm", "train", "mobilenet", "--data", "random", "--batch", "2", "--image", "64", "--steps", "2",
                           "--fast", "50%", "--check")
    assert "bit-identical" in done.stdout


def test_enable_before_the_framework(environment):
    environment.run("python", "-c", "import deeptm; deeptm.enable('64MiB'); import tensorflow as tf; print(tf.reduce_sum(tf.ones((9, 9))))")


def test_library_of_the_package_is_found_by_cmake(environment, tmp_path):
    prefix = environment.run("python", "-c", "import deeptm, pathlib; print(pathlib.Path(deeptm.__file__).parent)").stdout.strip()
    entry = environment.run("python", "-c", "from importlib.metadata import entry_points; print(*(e.value for e in entry_points(group='cmake.prefix')))")
    assert entry.stdout.strip() == "deeptm"
    run("cmake", "-G", "Ninja", "-S", C_PROGRAM, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path)
    assert SAYS in run(tmp_path / "c_program").stdout


def test_nothing_is_left_of_the_package(wheels, environment):
    """Last: it takes the environment apart."""
    environment.run("deeptm", "run", "--fast", "32MiB", "--", "python", SCRIPT, "--deterministic")
    assert "removed" in environment.run("deeptm", "clean").stdout
    assert environment.run("deeptm", "clean").stdout == "nothing to remove\n"
    environment.run("pip", "uninstall", "--quiet", "--yes", "deeptm")
    (environment.packages / "highsbox").unlink()
    left = {path for path in files_below(environment.folder) - environment.before if "__pycache__" not in path.parts}
    in_home = {path.relative_to(environment.home) for path in left if path.is_relative_to(environment.home)}
    assert {path for path in left if not path.is_relative_to(environment.home)} == {environment.packages / "tensorflow-of-checkout.pth"}
    # Results are the user's, as is what Keras and others leave.
    assert not [path for path in in_home if path.parts[0] != "results" and "deeptm" in str(path)]


def test_prefix_serves_cmake_projects_and_is_uninstalled(program, tmp_path):
    prefix = tmp_path / "prefix"
    run("cmake", "--install", BUILD, "--prefix", prefix)
    assert "deeptm" in run(prefix / "bin/deeptm", "--version").stdout
    run(prefix / "bin/deeptm", "run", "--fast", "32MiB", "--", sys.executable, SCRIPT, "--deterministic")
    run("cmake", "-G", "Ninja", "-S", C_PROGRAM, "-B", tmp_path / "c", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "c")
    assert SAYS in run(tmp_path / "c/c_program").stdout
    run("cmake", "--build", BUILD, "--target", "uninstall")
    assert not files_below(prefix)
    assert not list(prefix.rglob("deeptm"))


def test_sources_are_a_part_of_another_project(wheels, tmp_path):
    tarfile.open(wheels[1]).extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()
    # Flags and folders as in the checkout, so that a compiler cache knows them.
    build = sources / "build"
    run("cmake", "-G", "Ninja", "-S", C_PROGRAM, "-B", build, f"-DDEEPTM_SOURCE={sources}", "-DCMAKE_BUILD_TYPE=Release", "-DDEEPTM_WERROR=ON",
        f"-DDEEPTM_HIGHS_ROOT={TENSORFLOW_IN / 'highsbox/highs_dist'}")
    run("cmake", "--build", build, env=os.environ | {"CCACHE_BASEDIR": str(sources)})
    assert SAYS in run(build / "c_program").stdout
