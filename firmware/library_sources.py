"""PlatformIO pre-script: builds TFLM's Arduino library where there is no Arduino."""

import subprocess
import sys

Import("env")  # noqa: F821 (defined by SCons)

COMPILER = "arm-none-eabi-g++"


def has_cpp_library():
    """Debian packages the C++ library apart from the compiler."""
    command = [COMPILER, "-print-file-name=libstdc++.a"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return True  # the platform says what is missing
    return "/" in done.stdout


if not has_cpp_library():
    sys.stderr.write(
        f"Error: {COMPILER} has no C++ library: apt install libstdc++-arm-none-eabi-newlib\n"
    )
    env.Exit(1)  # noqa: F821


def left_out(env, node):
    return None


def without_warnings(env, node):
    return env.Object(node, CCFLAGS=[*env["CCFLAGS"], "-w"])


# Our flags hold for our sources: what an old library is warned of is not ours to mend.
env.AddBuildMiddleware(left_out, "*/src/peripherals/*")  # noqa: F821
env.AddBuildMiddleware(without_warnings, "*/Chirale_TensorFLowLite/*")  # noqa: F821
