"""From a run to one file that proves itself."""
