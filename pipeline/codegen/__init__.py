"""Renderers of generated sources: a Graph or Program in, {file name: text} out. Pure."""
