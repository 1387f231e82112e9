"""PlatformIO pre-script: builds TFLM's Arduino library where there is no Arduino."""

import os
import subprocess
import sys

Import("env")  # noqa: F821 (defined by SCons)

COMPILER = "arm-none-eabi-g++"
HEADERS_PACKAGE = "libstdc++-arm-none-eabi-dev"


def has_cpp_headers():
    """Debian packages the C++ library apart from the compiler. Nothing of it is linked."""
    command = [COMPILER, "-x", "c++", "-E", "-include", "new", os.devnull]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return True  # the platform says what is missing


if not has_cpp_headers():
    sys.stderr.write(f"Error: {COMPILER} has no C++ headers: apt install {HEADERS_PACKAGE}\n")
    env.Exit(1)  # noqa: F821


def left_out(env, node):
    return None


def without_warnings(env, node):
    return env.Object(node, CCFLAGS=[*env["CCFLAGS"], "-w"])


# Our flags hold for our sources: what an old library is warned of is not ours to mend.
env.AddBuildMiddleware(left_out, "*/src/peripherals/*")  # noqa: F821
env.AddBuildMiddleware(without_warnings, "*/Chirale_TensorFLowLite/*")  # noqa: F821
