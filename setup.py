"""Adds firmware, templates and platforms to a wheel; all else stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
RESOURCES = ("firmware", "platforms", "templates", "platformio.ini", "LICENSE")
# An editor's and a build's leavings are no sources.
LEAVINGS = shutil.ignore_patterns("__pycache__", "*.pyc", ".pio", ".*.swp", "*~")


class BuildWithResources(build_py):
    """Copies the read-only sources to pipeline/_resources, where pipeline.resources finds them.

    An editable install reads them from the checkout and copies nothing.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "pipeline" / "_resources"
        # build/ outlives a build: a file deleted since then must not travel.
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in RESOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=LEAVINGS, symlinks=True)
            else:
                shutil.copy2(source, target / name)


setup(cmdclass={"build_py": BuildWithResources})
