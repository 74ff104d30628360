"""Methods: one paper, one file. The file's name is the method's name."""
