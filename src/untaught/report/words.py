"""Figures in words: numbers, rates, intervals, the verdict, and what to be warned of."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType

from untaught.calibration import promise
from untaught.records import Result, Threshold

NONE = "–"  # what cannot be computed is shown as this, never as a number
SURPRISE = 0.01  # a count less likely than this is no accident
NARROW, UNBROKEN = "\u202f", "\u00a0"  # spaces between a figure and its unit, a count and its noun


def number(value: float | None) -> str:
    """A raw score or loss, four digits."""
    if value is None:
        return NONE
    return f"{value:.4g}".replace("-", "−") if math.isfinite(value) else str(value)


def percent(rate: float | None, digits: int = 1) -> str:
    """A fraction in percent. More digits are given where it would else read as a round 0 or 100 that it is not."""
    if rate is None:
        return NONE
    for more in range(digits, digits + 4):
        text = f"{rate * 100:.{more}f}"
        if float(text) not in (0.0, 100.0) or rate in (0.0, 1.0):
            break
    return f"{text}{NARROW}%"


def interval(bounds: tuple[float, float] | None) -> str:
    """A 95 % interval of a rate."""
    if bounds is None:
        return NONE
    return f"{bounds[0] * 100:.1f}–{bounds[1] * 100:.1f}{NARROW}%"


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f}{NARROW}ms"
    if seconds < 120:
        return f"{seconds:.1f}{NARROW}s"
    minutes = round(seconds / 60)
    return f"{minutes}{NARROW}min" if minutes < 120 else f"{minutes // 60}{NARROW}h {minutes % 60}{NARROW}min"


def plural(n: int, noun: str, nouns: str = "") -> str:
    """`1 image`, `2 images`."""
    return f"{n:,}{UNBROKEN}{noun if n == 1 else nouns or noun + 's'}"


def counted(rate: float | None, n: int) -> str:
    """How many of how many, from a rate."""
    return NONE if rate is None or n == 0 else f"{round(rate * n):,} of {n:,}"


def verdict(result: Result) -> str:
    """The whole evaluation in one sentence."""
    good, defective = result.n_good, result.n_defective
    if result.miss_rate is None and result.false_reject_rate is None:
        return f"Evaluated on {plural(good, 'good image')} and {plural(defective, 'defective one')}."
    parts = []
    if result.miss_rate is not None:
        parts.append(
            f"finds {defective - round(result.miss_rate * defective):,} of {plural(defective, 'defective part')}"
        )
    if result.false_reject_rate is not None:
        parts.append(f"rejects {round(result.false_reject_rate * good):,} of {plural(good, 'good one')}")
    sentence = " and ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def at_odds(reject: bool, regions: int) -> str:
    """What to say where a part's verdict and its regions seem to contradict each other; empty where they agree."""
    if reject:
        return "" if regions else "rejected by its score; no region above the pixel threshold"
    several = "a region" if regions == 1 else f"{regions} regions"
    return f"good by its score; {several} above the pixel threshold" if regions else ""


def kept(threshold: Threshold) -> bool:
    """Whether the rate that was wanted is promised."""
    return threshold.guaranteed and threshold.rate <= threshold.wanted * (1 + 1e-9)


def warnings(
    threshold: Threshold,
    result: Result | None,
    quarantined: int,
    products: Mapping[str, Threshold] = MappingProxyType({}),
) -> list[str]:
    """What a reader must know before trusting the figures; of several products each is held to its own threshold."""
    found = []
    if not kept(threshold):
        more = "`untaught calibrate RUN --good DIR` takes more good images into account without training again."
        found.append(f"{promise(threshold)} {more}")
    if result is not None:
        for name, part in result.products.items():
            found += [f"{name}: {text}" for text in _contradictions(products.get(name, threshold), part)]
        found += [] if result.products else _contradictions(threshold, result)
        if result.left_out:
            names = ", ".join(sorted(result.left_out))
            found.append(
                f"{plural(len(result.left_out), 'test image')} did not decode and count in no figure: {names}."
            )
    if quarantined:
        were = "was" if quarantined == 1 else "were"
        found.append(f"{plural(quarantined, 'image')} did not decode and {were} left out of training.")
    return found


def of_products(known: Collection[str], data: str, result: Result) -> list[str]:
    """What a reader must know of the products of an evaluation on `data`, where the run knows several."""
    measured, found = result.products or [data], []
    if known and (strange := [name for name in measured if name not in known]):
        found.append(
            f"{', '.join(strange)}: not among the products this run knows by name ({', '.join(known)}). Judged by the "
            "threshold of all together, which promises nothing for one of them."
        )
    if result.products and (missing := [name for name in known if name not in measured]):
        found.append(f"{', '.join(missing)}: not measured, as {data} has no test images of it.")
    return found


def _contradictions(threshold: Threshold, result: Result) -> list[str]:
    if result.threshold is not None and not math.isclose(result.threshold, threshold.value, rel_tol=1e-6):
        then, now = number(result.threshold), number(threshold.value)
        return [f"These figures were taken at a threshold of {then}; it was calibrated to {now} since. Evaluate again."]
    rejected = round((result.false_reject_rate or 0) * result.n_good)
    if chance_of_rejects(rejected, result.n_good, threshold) >= SURPRISE:
        return []
    seen = f"{rejected:,} of {plural(result.n_good, 'good test image')} are rejected"
    why = (
        f"more than {percent(threshold.rate)} explains by chance: they are not like the images held out for calibration"
    )
    return [f"{seen}, {why}. Look at light, pose and camera, and calibrate with good images of today."]


def chance_of_rejects(rejected: int, good: int, threshold: Threshold) -> float:
    """The probability that at least so many good test images are rejected, if they are like the calibration images.

    The true rate behind a conformal threshold at k / (n + 1) is itself drawn from Beta(k, n + 1 - k), so that the count
    is beta-binomial (Vovk, Conditional validity of inductive conformal predictors, 2012). A tail fit is taken as such.
    """
    a = threshold.rate * (threshold.n + 1)
    b = threshold.n + 1 - a
    if rejected == 0 or a <= 0 or b <= 0:
        return 1.0
    count = range(rejected, good + 1)
    terms = (math.log(math.comb(good, k)) + _log_beta(k + a, good - k + b) - _log_beta(a, b) for k in count)
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
