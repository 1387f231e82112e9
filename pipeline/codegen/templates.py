"""Jinja as all renderers use it: undefined names are errors, whitespace is the template's own."""

from __future__ import annotations

import functools

import jinja2

from pipeline.resources import resource


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_template(template: str, /, **values: object) -> str:
    """Text of `template`, a path below the template folder, with `values` filled in."""
    return _environment().get_template(template).render(**values)
