"""Ahead-of-time compiler: Graph -> Program. No C text in here; `pipeline.codegen.aot` renders."""
