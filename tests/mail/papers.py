"""Office papers with one word in them, made by hand."""

from __future__ import annotations

import io
import zipfile

import pypdfium2
from PIL import Image

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_T = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"


def zipped(**entries: str | bytes) -> bytes:
    """A zip of these entries; `__` in a name is a slash."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("__", "/") + ".xml", data)
    return into.getvalue()


def a_docx(*paragraphs: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    return zipped(word__document=f'<w:document xmlns:w="{_W}"><w:body>{body}</w:body></w:document>', other="<x/>")


def a_sheet(word: str) -> bytes:
    return zipped(
        xl__sharedStrings=f'<sst xmlns="{_S}"><si><t>{word}</t></si></sst>',
        xl__worksheets__sheet1=f'<worksheet xmlns="{_S}"><row><c t="s"><v>0</v></c><c><v>4711.5</v></c></row></worksheet>',
    )


def a_slide(word: str) -> bytes:
    return zipped(ppt__slides__slide1=f'<p xmlns:a="{_A}"><a:p><a:r><a:t>{word}</a:t></a:r></a:p></p>')


def an_odt(word: str) -> bytes:
    return zipped(content=f'<office><text:p xmlns:text="{_T}">{word}<text:tab/>Ende</text:p></office>')


def blank_pages(count: int) -> bytes:
    """A PDF of so many empty pages, each of another size."""
    document = pypdfium2.PdfDocument.new()
    for number in range(count):
        document.new_page(200 + 100 * number, 300)
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def a_picture(kind: str = "PNG", size: tuple[int, int] = (20, 10)) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(made, kind)
    return made.getvalue()


def a_pdf(word: str) -> bytes:
    """One page with one line of Helvetica."""
    drawing = f"BT /F1 24 Tf 72 700 Td ({word}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%sendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start)
