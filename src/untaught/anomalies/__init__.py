"""Synthetic defects: a good image and a random stream in, a defect and its mask out."""
