"""TF_LITE_STATIC_MEMORY for a project and not for its library, or the reverse."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.project import Project
from pipeline.doctor.shared.subject import Subject

_ID = "tf-lite-static-memory"
_FLAG = re.compile(r"-D\s*TF_LITE_STATIC_MEMORY\b")
_DEFINE = r"^[ \t]*#[ \t]*define[ \t]+TF_LITE_STATIC_MEMORY\b"


def _look(subject: Subject) -> Iterator[Finding]:
    project = subject.project
    if project is None or _FLAG.search(project.settings.get("build_flags", "")):
        return  # build_flags hold for the project and its libraries alike
    ours, theirs = list(_of_project(project)), list(_of_libraries(project))
    if bool(ours) == bool(theirs):
        return
    side, place = ("project", ours[0]) if ours else ("library", theirs[0])
    yield Finding(
        _ID,
        "error",
        f"{place}: TF_LITE_STATIC_MEMORY is defined for the {side} alone",
        "it changes the layout of TfLiteTensor and TfLiteNode: both sides read each other's "
        "structures at wrong offsets, which shows as garbage or a crash",
        "build_flags = -D TF_LITE_STATIC_MEMORY in platformio.ini (it reaches both), or nowhere",
    )


def _of_project(project: Project) -> Iterator[str]:
    if _FLAG.search(project.settings.get("build_src_flags", "")):
        yield "platformio.ini: build_src_flags"
    for place, _ in project.find(_DEFINE):
        yield place


def _of_libraries(project: Project) -> Iterator[str]:
    for name, text in project.libraries.items():
        if _FLAG.search(text) or re.search(_DEFINE, text, re.MULTILINE):
            yield name


register(Check(_ID, "TF_LITE_STATIC_MEMORY on one side of a project and its library", _look))
