"""Pictures made again: a raster picture, or a page of a PDF, as a picture that holds nothing but what is seen.

Law: bounded in pixels before anything is decoded. Both are opened by C libraries: call this only in a process that may die
(`run.cell`).
"""

from __future__ import annotations

import io

import pypdfium2
from PIL import Image

MOST_PIXELS = 25_000_000
LONGEST_PAGE = 1_400
_KINDS = ("PNG", "JPEG", "GIF", "WEBP")


def prepare() -> None:
    """Open now what would be opened later."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    Image.init()
    for kind in _KINDS:
        made = io.BytesIO()
        Image.new("RGB", (2, 2)).save(made, kind)
        picture(made.getvalue())
    document = pypdfium2.PdfDocument.new()
    document.new_page(10, 10)
    made = io.BytesIO()
    document.save(made)
    page(made.getvalue(), 0)


def picture(data: bytes, longest: int = 0) -> bytes:
    """The first frame of a raster picture as PNG or JPEG, made smaller where a side is longer than `longest` (0: never).

    Raises OSError, ValueError, DecompressionBombError.
    """
    with Image.open(io.BytesIO(data), formats=_KINDS) as opened:
        width, height = opened.size
        if width * height > MOST_PIXELS:
            raise ValueError("too many pixels")
        if longest and opened.format == "JPEG":
            opened.draft("RGB", (longest, longest))
        opened.load()
        has_alpha = opened.mode in {"RGBA", "LA", "PA"} or "transparency" in opened.info
        plain = opened.convert("RGBA" if has_alpha else "RGB")
        is_drawing = has_alpha or opened.format in {"PNG", "GIF"}
    if longest and max(plain.size) > longest:
        plain.thumbnail((longest, longest))
    return _written(plain, "PNG" if is_drawing else "JPEG")


def page(data: bytes, number: int) -> tuple[bytes, int]:
    """A page of a PDF (from 0) as PNG, its longer side `LONGEST_PAGE`, and how many there are.

    Raises PdfiumError for what is none or is locked, ValueError for a page that is not there.
    """
    document = pypdfium2.PdfDocument(data)
    count = len(document)
    if not 0 <= number < count:
        raise ValueError(number)
    shown = document[number]
    scale = LONGEST_PAGE / max(*shown.get_size(), 1)
    drawn = shown.render(scale=scale, may_draw_forms=False).to_pil()
    return _written(drawn.convert("RGB"), "PNG"), count


def _written(image: Image.Image, kind: str) -> bytes:
    made = io.BytesIO()
    image.save(made, kind, quality=88)
    return made.getvalue()
