"""PlatformIO development platform that needs no package registry."""

from pathlib import Path

from platformio.package.manager.core import get_core_package_dir
from platformio.public import PlatformBase

SCONS = Path(__file__).resolve().parent / "packages" / "tool-scons"


class Path_gccPlatform(PlatformBase):  # PlatformIO derives the class name from platform.json
    def configure_default_packages(self, options, targets):
        # Core demands its package tool-scons. Unless the registry's is installed already, a
        # stand-in under the same owner runs PyPI's SCons.
        if not get_core_package_dir("tool-scons", auto_install=False):
            self.packages["tool-scons"] = {"owner": "platformio", "version": f"symlink://{SCONS}"}
        return super().configure_default_packages(options, targets)
