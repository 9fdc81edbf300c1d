# SPDX-License-Identifier: Apache-2.0
"""A picture of one line of text, as PNG: for the demo and the tests of examples/readline.

Rendered by FreeType, with a font of Debian's: tools/deps brings both.
"""

import struct
import zlib
from pathlib import Path

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
MARGIN = 8


def png(width, height, grey):
    """The PNG file of height rows of width grey values each."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + grey[y * width:(y + 1) * width] for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def rendered(text, pixels=32):
    """The PNG file of a line of text, black on white; pixels: the font's size."""
    import freetype  # here, so that its absence is no error for who has no line to render

    face = freetype.Face(str(FONT))
    face.set_pixel_sizes(0, pixels)
    glyphs, pen = [], MARGIN
    for character in text:
        face.load_char(character, freetype.FT_LOAD_RENDER)
        bitmap = face.glyph.bitmap
        glyphs.append((pen + face.glyph.bitmap_left, face.glyph.bitmap_top, bitmap.width, bitmap.rows,
                       bitmap.pitch, bytes(bitmap.buffer)))
        pen += face.glyph.advance.x >> 6
    ascent = face.size.ascender >> 6
    width, height = pen + MARGIN, ascent - (face.size.descender >> 6) + MARGIN
    grey = bytearray(b"\xff" * (width * height))
    for left, top, columns, rows, pitch, ink in glyphs:
        for y in range(rows):
            for x in range(columns):
                at = (MARGIN // 2 + ascent - top + y) * width + left + x
                grey[at] = max(0, grey[at] - ink[y * pitch + x])
    return png(width, height, bytes(grey))
