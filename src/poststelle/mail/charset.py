"""Bytes of a mail to text, by a closed list of character sets.

Law: a name found in a mail is looked up here and nowhere else (RELIABILITY Q12: Python's codec registry also knows `zlib`,
`rot13` and `undefined`). Labels mean what the WHATWG Encoding Standard says, so `iso-8859-1` is windows-1252. Decoding never
raises, and its result is always valid Unicode without lone surrogates.

This module does not know headers or parts.
"""

from __future__ import annotations

import re

_LABELS = {
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 unicode",
    "utf-7": "utf-7 utf7 unicode-1-1-utf-7 csunicode11utf7",
    "utf-16-le": "utf-16le iso-10646-ucs-2 ucs-2 csunicode unicodefeff",
    "utf-16": "utf-16",
    "utf-16-be": "utf-16be unicodefffe",
    "cp866": "ibm866 866 cp866 csibm866",
    "iso8859-2": "iso-8859-2 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 iso-ir-101 l2 latin2 csisolatin2",
    "iso8859-3": "iso-8859-3 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 iso-ir-109 l3 latin3 csisolatin3",
    "iso8859-4": "iso-8859-4 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 iso-ir-110 l4 latin4 csisolatin4",
    "iso8859-5": "iso-8859-5 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988 iso-ir-144 cyrillic csisolatincyrillic",
    "iso8859-6": "iso-8859-6 iso-8859-6-e iso-8859-6-i iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987 iso-ir-127 arabic "
    "asmo-708 ecma-114 csiso88596e csiso88596i csisolatinarabic",
    "iso8859-7": "iso-8859-7 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 iso-ir-126 greek greek8 ecma-118 elot_928 "
    "sun_eu_greek csisolatingreek",
    "iso8859-8": "iso-8859-8 iso-8859-8-e iso-8859-8-i iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 iso-ir-138 hebrew "
    "logical visual csiso88598e csiso88598i csisolatinhebrew",
    "iso8859-10": "iso-8859-10 iso8859-10 iso885910 iso-ir-157 l6 latin6 csisolatin6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 latin-9 latin9 csisolatin9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "koi8-r koi koi8 koi8_r cskoi8r",
    "koi8-u": "koi8-u koi8-ru koi8_u",
    "mac-roman": "macintosh mac x-mac-roman csmacintosh",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "cp874": "windows-874 dos-874 iso-8859-11 iso8859-11 iso885911 tis-620",
    "cp1250": "windows-1250 cp1250 x-cp1250",
    "cp1251": "windows-1251 cp1251 x-cp1251",
    "cp1252": "windows-1252 cp1252 x-cp1252 iso-8859-1 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 iso-ir-100 l1 latin1 "
    "latin-1 cp819 ibm819 csisolatin1",
    "ascii": "us-ascii ascii ansi_x3.4-1968",
    "cp1253": "windows-1253 cp1253 x-cp1253",
    "cp1254": "windows-1254 cp1254 x-cp1254 iso-8859-9 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 iso-ir-148 l5 latin5 "
    "csisolatin5",
    "cp1255": "windows-1255 cp1255 x-cp1255",
    "cp1256": "windows-1256 cp1256 x-cp1256",
    "cp1257": "windows-1257 cp1257 x-cp1257",
    "cp1258": "windows-1258 cp1258 x-cp1258",
    "gb18030": "gb18030 gbk x-gbk cp936 gb2312 gb_2312 gb_2312-80 chinese csgb2312 csiso58gb231280 iso-ir-58",
    "hz": "hz-gb-2312 hz",
    "big5hkscs": "big5 big5-hkscs big5_hkscs cn-big5 x-x-big5 csbig5",
    "euc-jp": "euc-jp x-euc-jp cseucpkdfmtjapanese",
    "iso2022-jp-2": "iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 csiso2022jp",
    "cp932": "shift_jis shift-jis sjis x-sjis ms932 ms_kanji windows-31j cp932 csshiftjis",
    "cp949": "euc-kr ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 korean windows-949 cseuckr csksc56011987 iso-ir-149",
    "iso2022-kr": "iso-2022-kr csiso2022kr",
}
CODECS = frozenset(_LABELS)
_CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}

_SAMPLE = 4096
_ESCAPE = re.compile(rb"\x1b\$[@B]")
_UPPER = bytes(range(0x80, 0x100))
_UPPER_WORD = re.compile(rb"[\x80-\xff]{3,}")
_KANA = re.compile("[\u3041-\u30fe]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def codec_of(label: str) -> str | None:
    """The codec a charset name stands for, or None for a name outside the list."""
    return _CODECS.get(label) or _CODECS.get(label.strip(" \t\r\n\"'").lower())


def decode(data: bytes, label: str = "") -> str:
    """Text of bytes declared as `label`: that charset if the bytes agree, else UTF-8, else what they look like (`_guessed`).

    A byte order mark wins over the label. Bytes that fit their charset only in part keep it, with U+FFFD for the rest.
    """
    if data[:3] == b"\xef\xbb\xbf":
        return data[3:].decode("utf-8", "replace")
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", "replace")
    codec = codec_of(label)
    if codec is not None and codec != "utf-8" and not (codec == "ascii" and _ESCAPE.search(data, 0, _SAMPLE)):
        try:
            text = data.decode("utf-16-le" if codec == "utf-16" else codec)
        except UnicodeError:
            pass
        else:
            # Python's UTF-7 lets lone surrogates through; no database or socket takes them.
            return _LONE_SURROGATE.sub("\ufffd", text) if codec == "utf-7" else text
    if codec in {None, "ascii"} and (guess := _shifted(data[:_SAMPLE])):
        return _LONE_SURROGATE.sub("\ufffd", data.decode(guess, "replace"))
    try:
        return data.decode("utf-8")
    except UnicodeError:
        return _best_effort(data, codec)


def _shifted(sample: bytes) -> str | None:
    """The charset of unlabelled bytes that are valid ASCII or UTF-8 and yet mean something else."""
    if _ESCAPE.search(sample):
        return "iso2022-jp-2"
    odd, even = sample[1::2].count(0), sample[::2].count(0)
    if len(sample) >= 16 and max(odd, even) * 5 > len(sample) * 2 and min(odd, even) * 20 < len(sample):
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def _guessed(data: bytes) -> str:
    """The likeliest charset of unlabelled bytes that are no UTF-8: Japanese by its kana, Cyrillic by whole words of upper bytes
    (of which Russian has mostly small letters), else windows-1252."""
    sample = data[:_SAMPLE]
    upper = len(sample) - len(sample.translate(None, _UPPER))
    words = sum(map(len, _UPPER_WORD.findall(sample)))
    if words * 2 < upper or words < 8:
        return "cp1252"
    for codec in ("cp932", "euc-jp"):
        # The sample may end within a character.
        text = sample.decode(codec, "replace")
        if text.count("\ufffd") <= 1 and len(_KANA.findall(text)) * 5 > len(text):
            return codec
    letters = [byte for byte in sample if byte >= 0xC0]
    if len(letters) * 10 < upper * 8:
        return "cp1252"
    return "koi8-r" if sum(byte < 0xE0 for byte in letters) * 2 > len(letters) else "cp1251"


def _best_effort(data: bytes, codec: str | None) -> str:
    if codec == "utf-8":
        text = data.decode("utf-8", "replace")
        if any(char > "\x7f" and char != "\ufffd" for char in text):
            return text
    elif codec not in {None, "ascii"}:
        text = data.decode("utf-16-le" if codec == "utf-16" else str(codec), "replace")
        return _LONE_SURROGATE.sub("\ufffd", text)
    return data.decode("cp1252" if codec == "utf-8" else _guessed(data), "replace")
