"""Run a part of the tests in an Arm user space, emulated by qemu-user: `make test-arm`.

Debian's packages and wheels for arm64 are unpacked into build/arm, without root's rights. The
kernels are compiled here, for the target aarch64, to the place where a wheel has them, so that
nothing is compiled in the emulator.

An emulator shows that instructions do what they should. It shows neither speed nor how a real
processor orders accesses to memory between threads: accesses are in the order of this processor.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARM = ROOT / "build" / "arm"
DEBIAN = ARM / "debian"
SITE = ARM / "site"
PYTHON = ARM / "python"
SOURCES = """Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
DEBIAN_PACKAGES = ("python3.11", "libstdc++6")
WHEELS = ("numba", "numpy", "platformdirs", "safetensors", "tqdm")
WHEELS += ("hypothesis", "pytest", "scikit-learn")  # of tests
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
# The child processes of tests are emulated too.
SITECUSTOMIZE = f"import sys\nsys.executable = {str(PYTHON)!r}\n"
TESTS = {
    "outputs, losses, gradients and updates against scalar loops": [
        "tests/numerics/test_against_naive.py",
        "tests/numerics/test_update_rules.py",
    ],
    "denormal numbers and overflow, the mode of the thread restored": [
        "tests/kernels/test_denormals.py"
    ],
    "one row, parameters packed and unpacked": [
        "tests/kernels/test_single_row.py",
        "tests/kernels/test_packing.py",
    ],
    "the thread pool, the same bits for any number of threads": [
        "tests/runtime/test_spin_limits.py",
        "tests/runtime/test_same_bits.py",
    ],
    "saving and loading": ["tests/serialization/test_save.py"],
}


def main():
    missing = [
        name for name in ("qemu-aarch64-static", "apt-get", "dpkg") if not shutil.which(name)
    ]
    if missing:
        sys.exit(f"make test-arm needs {', '.join(missing)}: apt-get install qemu-user-static")
    install()
    compile_kernels()
    failed = [] if compare_bits() else ["bits"]
    for what, files in TESTS.items():
        print(f"-- Arm: {what}", flush=True)
        command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
        if subprocess.run(command, cwd=ROOT, env=emulated()).returncode:
            failed.append(what)
    print("Covered:", "bits of x86's kernels", *TESTS, sep="\n  ")
    print("Failed:", *failed, sep="\n  ") if failed else print("All passed.")
    sys.exit(bool(failed))


def install():
    """Unpack packages and wheels, once."""
    if PYTHON.exists():
        return
    apt = ARM / "apt"
    for folder in ("lists/partial", "archives/partial", "sources"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "sources" / "debian.sources").write_text(SOURCES)
    (apt / "status").touch()
    options = {
        "Dir::State": apt,
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": apt / "sources",
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
    }
    get = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    subprocess.run([*get, "update"], check=True)
    subprocess.run([*get, "install", "-y", "--download-only", *DEBIAN_PACKAGES], check=True)
    for package in (apt / "archives").glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, DEBIAN], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", SITE, "--upgrade"]
    pip += ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp"]
    pip += [f"--platform={name}" for name in PLATFORMS]
    subprocess.run([*pip, *WHEELS], check=True)
    (SITE / "sitecustomize.py").write_text(SITECUSTOMIZE)
    interpreter = f'qemu-aarch64-static -L "{DEBIAN}" "{DEBIAN}/usr/bin/python3.11"'
    PYTHON.write_text(f'#!/bin/sh\nexec {interpreter} "$@"\n')
    PYTHON.chmod(0o755)


def compile_kernels():
    """The package as a wheel has it, with objects for aarch64."""
    package = SITE / "fastbp"
    shutil.rmtree(package, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "objects")
    shutil.copytree(ROOT / "src" / "fastbp", package, ignore=ignore)
    shutil.copytree(ROOT / "kernels", package / "kernels", ignore=ignore)
    metadata = SITE / f"fastbp-{version('fastbp')}.dist-info" / "METADATA"
    metadata.parent.mkdir(exist_ok=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: fastbp\nVersion: {version('fastbp')}\n")
    compile_all = [sys.executable, "-m", "fastbp.kernels.compile", package / "kernels" / "objects"]
    environment = os.environ | {"FASTBP_TARGET": "aarch64:linux"}
    subprocess.run(compile_all, env=environment, check=True)


def emulated():
    """The environment of emulated processes: no cache, so that compiled code is that of a wheel."""
    unused = ("FASTBP_TARGET", "FASTBP_JIT", "FASTBP_CACHE_DIR", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in unused}
    return kept | {
        "PYTHONPATH": str(SITE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(ARM / "cache"),
    }


def compare_bits():
    """Whether training and inference have the bits that they have on this processor."""
    print("-- Arm: bits of x86's kernels", flush=True)
    command = [ROOT / "tests" / "helpers" / "target_bits.py", "float32", "float64"]
    here, there = (
        subprocess.run(
            [python, *command], env=environment, stdout=subprocess.PIPE, text=True
        ).stdout
        for python, environment in ((sys.executable, os.environ), (PYTHON, emulated()))
    )
    print(f"here\n{here}Arm\n{there}", flush=True)
    return here == there != ""


if __name__ == "__main__":
    main()
