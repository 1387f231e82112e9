"""What PlatformIO would have to download for an environment, told before it waits for a network."""

from __future__ import annotations

import configparser
import json
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ToolError
from pipeline.resources import project_dir, resource

_CONNECT_LIMIT_S = 5.0


@dataclass(frozen=True)
class PackageFolders:
    """Where PlatformIO keeps what it has downloaded, for all runs and projects.

    Attributes:
        core: PlatformIO's own folder, with `platforms` and `packages`.
        libraries: a folder of libraries per environment.
    """

    core: Path
    libraries: Path


def package_folders(variables: Mapping[str, str]) -> PackageFolders:
    """The folders by the user's environment variables, or PlatformIO's defaults."""
    core = Path(variables.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")
    libraries = variables.get("PLATFORMIO_LIBDEPS_DIR")
    return PackageFolders(core, Path(libraries) if libraries else core / "mcu-pipeline-libraries")


@dataclass(frozen=True)
class Toolchain:
    """What builds for an emulated board or for this computer.

    Attributes:
        compiler: the C compiler's program name.
        packages: Debian's, with blanks between.
        machine_flags: that select the core.
    """

    compiler: str
    packages: str
    machine_flags: tuple[str, ...] = ()


def toolchain_of(board_id: str) -> Toolchain:
    """As our own platform's board file has it."""
    path = resource("platforms") / "path_gcc" / "boards" / f"{board_id}.json"
    build = json.loads(path.read_text(encoding="utf-8"))["build"]
    return Toolchain(
        f"{build['toolchain_prefix']}gcc",
        build["toolchain_packages"],
        tuple(build["machine_flags"]),
    )


def environment_flags(environment: str) -> str:
    """What platformio.ini adds to the compiler's flags, and then what it takes away."""
    section = environment_settings(environment)
    return f"{section.get('build_flags', '')} -U {section.get('build_unflags', '')}".strip()


def missing_packages(environment: str, folders: PackageFolders) -> tuple[str, ...]:
    """What platformio.ini asks for and is not installed, as it is spelled there: the platform or
    the packages it always needs, then libraries."""
    section = environment_settings(environment)
    missing = list(_missing_of_platform(section.get("platform", ""), folders.core))
    for library in section.get("lib_deps", "").split():
        name = library.partition("@")[0].rpartition("/")[2]
        if not (folders.libraries / environment / name).is_dir():
            missing.append(library)
    return tuple(missing)


def takes_libraries(environment: str) -> bool:
    """Whether the environment needs libraries that PlatformIO downloads."""
    return "lib_deps" in environment_settings(environment)


def require_packages(environment: str, folders: PackageFolders) -> None:
    """Raises ToolError where something is missing and PlatformIO's registry is out of reach."""
    missing = missing_packages(environment, folders)
    if not missing or _registry_answers():
        return
    one = len(missing) == 1
    libraries = f"PLATFORMIO_LIBDEPS_DIR={folders.libraries} "
    raise ToolError(
        f"build: {' and '.join(missing)} {'is' if one else 'are'} not installed and PlatformIO's "
        "registry is out of reach",
        f"with a network: {libraries if takes_libraries(environment) else ''}pio pkg install "
        f"--project-dir {project_dir()} --environment {environment}; "
        "--board nano33ble_sim --runtime aot needs none of it",
    )


def project_config() -> configparser.ConfigParser:
    """platformio.ini with the files of the boards that it takes along."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(resource("platformio.ini"), encoding="utf-8")
    for pattern in config["platformio"]["extra_configs"].split():
        config.read(sorted(project_dir().glob(pattern)), encoding="utf-8")
    return config


def environment_settings(environment: str) -> Mapping[str, str]:
    """Keys of an environment with those of the section it extends."""
    config = project_config()
    section = dict(config[f"env:{environment}"])
    if "extends" in section:
        section = dict(config[section["extends"]]) | section
    return section


def _missing_of_platform(platform: str, core: Path) -> tuple[str, ...]:
    """An installed platform's own `platform.json` lists its packages; without it there is nothing
    to build with."""
    if "://" in platform:
        return ()  # a folder of this project
    name, _, version = platform.partition("@")
    for folder in sorted((core / "platforms").glob(f"{name}*")):
        try:
            facts = json.loads((folder / "platform.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if facts.get("name") == name and version in ("", facts.get("version")):
            return tuple(
                package
                for package, wanted in facts.get("packages", {}).items()
                if not wanted.get("optional") and not (core / "packages" / package).is_dir()
            )
    return (platform,)


def _registry_answers() -> bool:
    """Whether any of the registry's servers answers within a limit, through the user's proxy if
    there is one. A name look-up has no limit of its own, so it is not waited for."""
    from platformio import __registry_mirror_hosts__ as hosts

    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    for host in hosts:
        threading.Thread(target=lambda h=host: answers.put(_answers(h)), daemon=True).start()
    deadline = time.monotonic() + _CONNECT_LIMIT_S
    try:
        return any(answers.get(timeout=max(0, deadline - time.monotonic())) for _ in hosts)
    except queue.Empty:
        return False


def _answers(host: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        urllib.request.urlopen(f"https://api.{host}", timeout=_CONNECT_LIMIT_S).close()
    except urllib.error.HTTPError:
        return True  # though not with a page
    except OSError:
        return False
    return True
