"""Every error `untaught` raises on purpose.

    UntaughtError                      anything a user can mend; the command line ends with exit code 2
    ├── ConfigError                    a setting or argument
    ├── DataError                      a data set: folder, layout, split
    │   ├── ImageError                 one image: format, size, truncation
    │   └── MaskError                  one mask: size, missing image
    ├── WeightsError                   backbone or student weights: missing, wrong hash, wrong shapes
    ├── RunError                       a run folder: missing, incomplete, of another version
    ├── BundleError                    an exported file: missing, damaged, changed, of a newer version, not as proven
    ├── CalibrationError               scores from which no threshold can be drawn
    └── MetricError                    scores or masks from which no figure can be computed

A message has three parts: what came, what was expected, and what to do about it.
"""


class UntaughtError(Exception):
    """Base of all errors: says what came, what was expected and what to do."""

    def __init__(self, came: str, expected: str = "", fix: str = "") -> None:
        self.came, self.expected, self.fix = came, expected, fix
        super().__init__(came, expected, fix)

    def __str__(self) -> str:
        parts = [self.came]
        if self.expected:
            parts.append(f"Expected: {self.expected}")
        if self.fix:
            parts.append(f"What to do: {self.fix}")
        return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts)


class ConfigError(UntaughtError):
    """A setting or an argument is unknown, of the wrong type or out of range."""


class DataError(UntaughtError):
    """A data set cannot be read as one: missing folder, unknown layout, no good images."""


class ImageError(DataError):
    """One image cannot be used: not an image, truncated, too large, of an unsupported format."""


class MaskError(DataError):
    """One mask cannot be used: size differs from its image, unreadable."""


class WeightsError(UntaughtError):
    """Weights are missing, damaged or of other shapes than the network's."""


class RunError(UntaughtError):
    """A run folder is missing, unfinished, damaged or written by another version."""


class BundleError(UntaughtError):
    """An exported file is missing, damaged, changed, of a newer version, or does not answer as it must."""


class CalibrationError(UntaughtError):
    """No threshold can be drawn from these scores."""


class MetricError(UntaughtError):
    """No figure can be computed from these scores and masks."""
