"""AUPRO: area under the per-region overlap curve up to a false-positive rate, over that rate.

Definition: Bergmann et al., The MVTec Anomaly Detection Dataset (IJCV 2021), section 5.2.2. Regions are 8-connected
and each weighs one; the false-positive rate is over all good pixels of the whole set, those of good images too; equal
scores are one threshold; the curve is cut at the limit by linear interpolation.
"""

from __future__ import annotations

import numpy as np

from untaught.errors import MetricError
from untaught.metrics.curves import Curve


def area_to(curve: Curve, limit: float) -> float:
    """Mean height of a polyline over 0..limit; x starts at 0, ends at 1 and never falls. Of a PRO curve this is AUPRO.

    Raises:
        MetricError: the limit is not in (0, 1].
    """
    if not 0 < limit <= 1:
        raise MetricError(f"the limit of the false-positive rate is {limit}", "a fraction in (0, 1], such as 0.3")
    stop = int(np.searchsorted(curve.x, limit, side="right"))
    x, y = curve.x[:stop], curve.y[:stop]
    area = float(np.trapezoid(y, x))
    if stop < len(curve.x):
        run, rise = curve.x[stop] - x[-1], curve.y[stop] - y[-1]
        left = limit - x[-1]
        area += float(left * (y[-1] + 0.5 * rise * left / run))
    return area / limit
