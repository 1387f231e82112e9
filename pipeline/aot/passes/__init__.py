"""Rewrites of a program, one a module; every one keeps each byte of every output."""
