# SPDX-License-Identifier: GPL-2.0-or-later
"""
About twenty messages of all kinds, made when they are needed; all texts are our own. Each says
what must become of it under the configuration of kit/gateway.py.
"""

import base64
import functools
import io
import random
import struct
import zipfile
import zlib
from dataclasses import dataclass
from email.message import EmailMessage

DELIVER, QUARANTINE, EITHER = "deliver", "quarantine", "either"


@dataclass
class Sample:
    name: str
    about: str
    message: bytes
    want: str


def eicar():
    """The harmless test virus, put together here so that this file is none."""
    return (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*")


def letter(subject, text="Good morning,\n\nthe figures for this week are below.\n\nRegards\n"):
    m = EmailMessage()
    m["From"] = "Ada Example <ada@origin.test>"
    m["To"] = "Bo Example <bo@dest.test>"
    m["Subject"] = subject
    m["Date"] = "Mon, 23 Nov 2026 10:00:00 +0000"
    m["Message-ID"] = f"<{zlib.crc32(subject.encode()):08x}@origin.test>"
    m.set_content(text)
    return m


def with_file(subject, name, content, maintype="application", subtype="octet-stream"):
    m = letter(subject)
    m.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
    return m


def zip_of(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in files.items():
            z.writestr(name.replace("__", "."), content)
    return out.getvalue()


class _ZipCrypto:
    """PKWARE's old encryption, which Python can read but not write."""

    def __init__(self, password):
        self._keys = [0x12345678, 0x23456789, 0x34567890]
        for byte in password:
            self._update(byte)

    @staticmethod
    def _crc(byte, crc):
        return zlib.crc32(bytes([byte]), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    def _update(self, byte):
        k = self._keys
        k[0] = self._crc(byte, k[0])
        k[1] = ((k[1] + (k[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        k[2] = self._crc(k[1] >> 24, k[2])

    def encrypt(self, data):
        out = bytearray()
        for byte in data:
            t = (self._keys[2] | 2) & 0xFFFF
            out.append(byte ^ (((t * (t ^ 1)) >> 8) & 0xFF))
            self._update(byte)
        return bytes(out)


def encrypted_zip(name, content, password=b"secret"):
    crc = zlib.crc32(content)
    data = _ZipCrypto(password).encrypt(b"\0" * 11 + bytes([crc >> 24]) + content)
    fields = (20, 1, 0, 0, 0, crc, len(data), len(content), len(name), 0)
    local = b"PK\3\4" + struct.pack("<HHHHHIIIHH", *fields) + name + data
    central = (b"PK\1\2" + struct.pack("<H", 20) + struct.pack("<HHHHHIIIHH", *fields) +
               struct.pack("<HHHII", 0, 0, 0, 0, 0) + name)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def zip_bomb():
    """Two levels, some 80 kB that would become 8 GB."""
    inner = zip_of(zeros__bin=bytes(64 << 20))
    return zip_of(**{f"part{i}__zip": inner for i in range(128)})


def pdf():
    body = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"
    return body + b"xref\n0 1\n0000000000 65535 f \ntrailer<</Size 3/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(body)


def raw(subject, headers, body):
    head = (f"From: Ada Example <ada@origin.test>\nTo: Bo Example <bo@dest.test>\nSubject: {subject}\n"
            f"Date: Mon, 23 Nov 2026 10:00:00 +0000\nMIME-Version: 1.0\n{headers}\n")
    return head.encode() + body


def _html():
    m = letter("The garden letter of November")
    m.add_alternative("<html><body><h1>Leaves</h1><p>Rake them on a <b>dry</b> day.</p></body></html>\n",
                      subtype="html")
    return m


def _picture():
    m = letter("A picture for the report")
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    png += struct.pack(">I", zlib.crc32(png[12:29]))
    data = zlib.compress(b"\0\x30\x60\x90")
    for kind, content in ((b"IDAT", data), (b"IEND", b"")):
        png += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    m.add_attachment(png, maintype="image", subtype="png", filename="chart.png")
    return m


def _forwarded(inner):
    m = letter("Fwd: " + str(inner["Subject"]))
    m.add_attachment(inner)
    return m


def _deep(inner, levels):
    for _ in range(levels):
        inner = _forwarded(inner)
    return inner


def _bounce():
    head = "Content-Type: multipart/report; report-type=delivery-status; boundary=\"rr\"\n"
    body = (b"--rr\n\nYour message could not be delivered.\n--rr\nContent-Type: message/delivery-status\n\n"
            b"Reporting-MTA: dns; mx.far.test\n\nFinal-Recipient: rfc822; x@far.test\nAction: failed\n"
            b"Status: 5.1.1\n--rr--\n")
    return raw("Returned mail", head, body)


def _broken():
    head = "Content-Type: multipart/mixed; boundary=\"one\"\n"
    body = (b"--one\nContent-Type: text/plain\n\nThe closing line is missing.\n--two--\n--one\n"
            b"Content-Transfer-Encoding: base64\n\n!!!!QUJD=\nQ\n")
    return raw("Half a message", head, body)


def _partial():
    head = "Content-Type: message/partial; id=\"p@origin.test\"; number=1; total=2\n"
    return raw("Part one of two", head, b"Subject: inner\n\nfirst half\n")


def _external():
    head = "Content-Type: message/external-body; access-type=URL; URL=\"http://far.test/x\"\n"
    return raw("Fetch it yourself", head, b"Content-Type: text/plain\n\n")


def _japanese():
    m = letter("placeholder")
    del m["Subject"]
    m["Subject"] = "会議のお知らせ"
    m.set_content("明日の会議は十時からです。\n", charset="iso-2022-jp", cte="7bit")
    return m


def _signed():
    head = ("Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha256; "
            "boundary=\"sig\"\n")
    body = (b"--sig\nContent-Type: text/plain\n\nSigned words must stay as they are.\n--sig\n"
            b"Content-Type: application/pgp-signature; name=\"signature.asc\"\n\n"
            b"-----BEGIN PGP SIGNATURE-----\n\n" + base64.b64encode(bytes(range(48))) +
            b"\n-----END PGP SIGNATURE-----\n--sig--\n")
    return raw("Signed", head, body)


@functools.cache  # a second of work, and more on a busy machine
def everything():
    """The samples, in a fixed order."""
    noise = random.Random(42).randbytes(5 * 1000 * 1000)
    virus = with_file("The test virus", "eicar.com.txt", eicar())
    rows = [
        ("clean", "a plain letter", letter("Figures of the week"), DELIVER),
        ("html", "text and HTML", _html(), DELIVER),
        ("picture", "a picture attached", _picture(), DELIVER),
        ("japanese", "ISO-2022-JP text", _japanese(), DELIVER),
        ("pdf", "a small PDF", with_file("The contract", "contract.pdf", pdf(), subtype="pdf"), DELIVER),
        ("zip", "a zip with a text", with_file("Notes", "notes.zip", zip_of(notes__txt=b"buy milk\n" * 40),
                                               subtype="zip"), DELIVER),
        ("large", "5 MB attachment", with_file("Scans", "scans.dat", noise), DELIVER),
        ("forwarded", "mail in mail, three deep", _deep(letter("The first word"), 3), DELIVER),
        ("bounce", "a delivery report", _bounce(), DELIVER),
        ("signed", "multipart/signed", _signed(), DELIVER),
        ("broken", "broken MIME", _broken(), EITHER),
        ("virus", "EICAR attached", virus, QUARANTINE),
        ("virus-zip", "EICAR in a zip in a zip",
         with_file("Two boxes", "outer.zip", zip_of(inner__zip=zip_of(a__txt=eicar())), subtype="zip"), QUARANTINE),
        ("virus-deep", "EICAR, two mails deep", _deep(virus, 2), QUARANTINE),
        ("double-ext", "invoice.pdf.exe", with_file("Invoice", "invoice.pdf.exe", b"MZ" + bytes(200)), QUARANTINE),
        ("exe-in-zip", "setup.exe in a zip",
         with_file("Setup", "setup.zip", zip_of(setup__exe=b"MZ" + bytes(400)), subtype="zip"), QUARANTINE),
        ("encrypted", "a zip with a password",
         with_file("Private", "private.zip", encrypted_zip(b"plans.txt", b"nothing to see\n"), subtype="zip"),
         QUARANTINE),
        ("bomb", "a zip bomb: 8 GB in 80 kB", with_file("Small file", "small.zip", zip_bomb(), subtype="zip"),
         QUARANTINE),
        ("partial", "message/partial", _partial(), QUARANTINE),
        ("external", "message/external-body", _external(), QUARANTINE),
        ("nested", "60 mails in each other", _deep(letter("The innermost"), 60), QUARANTINE),
        ("script", "a disguised script", with_file("Photo", "photo.jpg.vbs", b"MsgBox 1\r\n"), QUARANTINE),
    ]
    return [Sample(n, a, m if isinstance(m, bytes) else bytes(m), w) for n, a, m, w in rows]
