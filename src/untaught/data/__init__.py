"""Data sets: readers that turn a folder (or nothing at all: `toy`) into samples, and what to ask of them."""
