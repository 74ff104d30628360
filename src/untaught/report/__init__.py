"""One self-contained HTML page on a run, or on several beside each other."""
