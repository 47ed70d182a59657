"""A confined process for one thing a stranger sent: the words of a file, or a picture made again. It answers once and ends.

As confined as the extractor: 512 MiB of memory, no new descriptor, nothing written. The first line of what comes in says what is
wanted (``words`` with name and type, or ``picture``), the rest is the file; out comes the answer, or nothing and a failure.
"""

from __future__ import annotations

import io
import json
import signal
import sys

from PIL import Image

from poststelle.mail import extract
from poststelle.run.extractor import confine

SECONDS = 20
MOST_PIXELS = 25_000_000
_KINDS = ("PNG", "JPEG", "GIF", "WEBP")


def picture(data: bytes) -> bytes:
    """The first frame of a raster picture, made again without anything else that was in the file. Raises OSError, ValueError."""
    with Image.open(io.BytesIO(data), formats=_KINDS) as opened:
        width, height = opened.size
        if width * height > MOST_PIXELS:
            raise ValueError("too many pixels")
        opened.load()
        has_alpha = opened.mode in {"RGBA", "LA", "PA"} or "transparency" in opened.info
        plain = opened.convert("RGBA" if has_alpha else "RGB")
    made = io.BytesIO()
    plain.save(made, "PNG" if has_alpha or opened.format in {"PNG", "GIF"} else "JPEG", quality=88)
    return made.getvalue()


def main() -> None:
    """`python -m poststelle.run.previewer`."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    Image.init()
    for kind in _KINDS:
        made = io.BytesIO()
        Image.new("RGB", (2, 2)).save(made, kind)
        picture(made.getvalue())
    confine()
    signal.alarm(SECONDS)
    wanted, name, content_type = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    try:
        answer = picture(data) if wanted == "picture" else extract.text_of(name, content_type, data).encode()
    except (OSError, ValueError, MemoryError, SyntaxError, extract.Unreadable, Image.DecompressionBombError):
        sys.exit(1)
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
