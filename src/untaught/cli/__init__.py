"""The command line: a thin layer over the Python API, one file a command."""
