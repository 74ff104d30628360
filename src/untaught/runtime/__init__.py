"""Inspection by an exported file: no torch, no timm, one warm session."""
