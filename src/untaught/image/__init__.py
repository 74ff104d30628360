"""The one decoder: whatever is trained on or inspected goes through here, so that both see the same pixels.

What is done to an image, in this order:

1. Only PNG, JPEG, BMP and TIFF are opened, recognised by their first bytes, never by the file's name.
   The size is read from the header and held against the limits before any pixel is decoded.
   Damaged and truncated files are refused, and so are files with several frames (which one is the part?);
   of a phone's multi-picture JPEG the main picture is taken.
2. EXIF rotation is applied.
3. 16-bit values become 8-bit ones: `value * 256 // (white + 1)`. Pillow has no 16-bit colour and keeps the
   high byte, which is the same rule at `white` = 65535; any other `white` is refused for 16-bit colour.
4. Transparency is laid on black; palettes, CMYK and grey become RGB. Colour profiles are ignored.
5. `read` resizes to the recipe's size, whatever the aspect ratio, bilinear with antialiasing. Where the
   image is much larger, whole-number steps come first: the JPEG decoder's own (at least 4 times the target is
   left) and a box average (at least 3 times is left). Measured on a drawn 12-megapixel photograph, the result
   differs from the plain resize by 0.25 grey levels in the mean, in half the time.
6. What lies outside the recipe's area is painted over with its fill colour.

Where a method takes depth, `read_inputs` gives it beside the image, prepared as `untaught.image.depth` says.
"""

from untaught.image.area import Area
from untaught.image.decoder import Picture, Source, decode, load, probe, verify
from untaught.image.depth import DepthRecipe
from untaught.image.depth_file import DepthSource, WithDepth, find_depth, load_depth, read_inputs
from untaught.image.file import Header, check_file
from untaught.image.lookahead import in_order
from untaught.image.mask import read_mask
from untaught.image.reader import read, read_with_size
from untaught.image.recipe import EVERYWHERE, NO_LIMITS_GIVEN, Limits, Recipe
from untaught.image.stretch import lies_over, resize_map
from untaught.image.tiles import Tiling

__all__ = [
    "EVERYWHERE",
    "NO_LIMITS_GIVEN",
    "Area",
    "DepthRecipe",
    "DepthSource",
    "Header",
    "Limits",
    "Picture",
    "Recipe",
    "Source",
    "Tiling",
    "WithDepth",
    "check_file",
    "decode",
    "find_depth",
    "in_order",
    "lies_over",
    "load",
    "load_depth",
    "probe",
    "read",
    "read_inputs",
    "read_mask",
    "read_with_size",
    "resize_map",
    "verify",
]
