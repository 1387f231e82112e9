"""SCons build script of the platform: run by PlatformIO Core for every environment."""

import shutil
import sys
from pathlib import Path

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
prefix = board.get("build.toolchain_prefix")
machine_flags = board.get("build.machine_flags")

if shutil.which(f"{prefix}gcc", path=env["ENV"]["PATH"]) is None:
    packages = board.get("build.toolchain_packages")
    sys.stderr.write(f"Error: {prefix}gcc is not on PATH: apt install {packages}\n")
    env.Exit(1)

env.Replace(
    CC=f"{prefix}gcc",
    CXX=f"{prefix}g++",
    AS=f"{prefix}gcc",
    LINK=f"{prefix}gcc",
    AR=f"{prefix}gcc-ar" if prefix else "ar",
    RANLIB=f"{prefix}gcc-ranlib" if prefix else "ranlib",
    OBJCOPY=f"{prefix}objcopy",
    SIZETOOL=f"{prefix}size",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPROGREGEXP=r"^(?:\.text|\.rodata|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.stack|\.data|\.bss)\s+(\d+).*",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    ASFLAGS=machine_flags,
    ASPPFLAGS=["-x", "assembler-with-cpp"],
    CCFLAGS=[
        *machine_flags,
        "-O2",
        "-g",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-common",
        # A fused multiply-add rounds once where TensorFlow Lite rounds twice.
        "-ffp-contract=off",
        "-Wall",
        "-Wextra",
        "-Werror",
    ],
    CFLAGS=["-std=c11"],
    # As the Nano 33 BLE's core has it, the oldest of the C++ dialects that our sources meet.
    CXXFLAGS=["-std=gnu++14", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    LINKFLAGS=[
        *machine_flags,
        *board.get("build.link_flags"),
        "-Wl,--gc-sections,--fatal-warnings",
        # Substituted here, so that SCons does not split a path at its blanks.
        f"-Wl,-Map,{env.subst('$BUILD_DIR')}/firmware.map",
    ],
    LIBS=["m"],
)

linker_script = board.get("build.linker_script", "")
if linker_script:
    script = str(Path(env.subst("$PROJECT_SRC_DIR")) / linker_script)
    env.Append(LINKFLAGS=["-T", script])

elf = env.BuildProgram()
if linker_script:
    env.Depends(elf, script)
targets = [elf]
if prefix:
    targets.append(
        env.Command(
            "$BUILD_DIR/firmware.bin",
            elf,
            env.VerboseAction("$OBJCOPY -O binary $SOURCE $TARGET", "Writing $TARGET"),
        )
    )
Default(targets)
