"""Stands in for the registry's tool-scons: runs the SCons of this Python environment."""

import sys

try:
    import SCons.Script
except ImportError:
    sys.exit(f"Error: SCons is missing from {sys.executable}: pip install scons==4.11.1")

if __name__ == "__main__":
    SCons.Script.main()
