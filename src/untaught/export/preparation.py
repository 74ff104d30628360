"""In words, for whoever feeds the graph in another language: from a file to its input, and from its map to regions."""

from __future__ import annotations

from untaught.image import Recipe

RESIZE = "bilinear with antialiasing, as Pillow's BILINEAR (a triangle two target pixels wide), rounded to whole values"
REGIONS = (
    "stretch the map bilinearly to the image's size; pixels greater than calibration.pixel.value that touch by a side "
    "or a corner are one region; its score is its highest map value"
)


def preparation(recipe: Recipe) -> list[str]:
    """From a file to the graph's input, step by step, in words."""
    height, width = recipe.input_size
    steps = [
        "decode PNG, JPEG, BMP or TIFF; turn it upright as EXIF says",
        f"16-bit values become value * 256 // {recipe.white + 1}, at most 255",
        "lay transparency on black; grey, palette and CMYK become RGB; colour profiles are ignored",
        f"resize to {recipe.width} x {recipe.height} (width x height), whatever the aspect ratio: {RESIZE}",
    ]
    if recipe.depth is not None:
        steps.append(
            f"depth beside it: metres (integers times {recipe.depth.unit:g}), the part is what lies more than "
            f"{recipe.depth.relief:g} m off the plate; docs/guide/bundle.md says each step"
        )
    if recipe.area is not None:
        steps.append(f"paint all pixels outside recipe.area in the RGB colour {list(recipe.area.fill)}")
    if recipe.areas:
        steps.append("paint all pixels outside the recipe.areas of the product shown in its RGB colour `fill`")
    if recipe.tiling is not None:
        steps.append(
            f"cut into {recipe.tiles} tiles of {width} x {height}, at least {recipe.tiling.overlap} px overlapping, "
            "and feed them as a batch; docs/guide/bundle.md says where they lie and how their maps are joined"
        )
    return [*steps, "feed the bytes as they are: the graph scales and normalises them itself"]
