"""PlatformIO pre-script: adds the model's generated sources, which lie outside the project."""

import os
import sys
from pathlib import Path

Import("env")  # noqa: F821 (defined by SCons)

generated = os.environ.get("MCU_PIPELINE_GENERATED", "")
if not (Path(generated) / "model_info.h").is_file():
    sys.stderr.write(
        f"Error: MCU_PIPELINE_GENERATED is {generated!r}, not a folder with a generated model: "
        "build with `mcu-pipeline build MODEL.tflite`\n"
    )
    env.Exit(1)  # noqa: F821

board = os.environ.get("MCU_PIPELINE_BOARD") or env["PIOENV"]  # noqa: F821
env.Append(CPPDEFINES=[("BOARD_ID", env.StringifyMacro(board))])  # noqa: F821
env.Append(CPPPATH=[generated, "$PROJECT_SRC_DIR/kernels"])  # noqa: F821
env.BuildSources("$BUILD_DIR/generated", generated)  # noqa: F821
