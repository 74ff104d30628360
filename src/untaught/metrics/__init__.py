"""Figures of merit: pure functions of raw scores, exact, numpy only.

Every figure is read from one `tally`: for each distinct score of a defective image or pixel, how many good ones lie
below it and how many are equal to it. `accumulate` makes that tally of whole test sets without keeping good pixels.
"""
