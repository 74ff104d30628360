"""Drawn anomalies: a good image -> the same image with a defect, and where it is. numpy and Pillow only."""
