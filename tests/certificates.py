"""Certificates of every kind that a server should not have, and one that it should.

Only files and bytes: who serves them is not known here.
"""

from __future__ import annotations

import datetime
import hashlib
import ssl
from pathlib import Path
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES: Final = ("localhost", "127.0.0.1")
_NOW: Final = datetime.datetime.now(datetime.UTC)
_DAY: Final = datetime.timedelta(days=1)

#: The kinds of certificate that ``Authority.issue`` makes.
KINDS: Final = ("good", "wrong-host", "expired", "revoked", "foreign", "self-signed")


class Authority:
    """Signs certificates; its own is in ``file``, whom it revoked is in ``crl``."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._ca.cert_pem.bytes())
        self._bad = self._ca.issue_cert(*NAMES)
        self.crl = folder / "crl.pem"
        self.crl.write_bytes(self._make_crl())

    def issue(self, kind: str) -> bytes:
        """Return key and certificate of a kind, in PEM."""
        if kind == "self-signed":
            return _self_signed()
        issued = {
            "good": lambda: self._ca.issue_cert(*NAMES),
            "wrong-host": lambda: self._ca.issue_cert("elsewhere.example"),
            "expired": lambda: self._ca.issue_cert(*NAMES, not_after=_NOW - _DAY),
            "revoked": lambda: self._bad,
            "foreign": lambda: trustme.CA().issue_cert(*NAMES),
        }[kind]()
        return issued.private_key_and_cert_chain_pem.bytes()

    def _make_crl(self) -> bytes:
        """Make the list of revoked certificates, which has one."""
        key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        issuer = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes()).subject
        revoked = x509.load_pem_x509_certificate(self._bad.cert_chain_pems[0].bytes())
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(revoked.serial_number)
            .revocation_date(_NOW - _DAY)
            .build()
        )
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer)
            .last_update(_NOW - _DAY)
            .next_update(_NOW + _DAY)
            .add_revoked_certificate(entry)
            .sign(key, hashes.SHA256())
        )
        return crl.public_bytes(serialization.Encoding.PEM)


def _self_signed() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - _DAY)
        .not_valid_after(_NOW + _DAY)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return _private(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption
    encryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL
        if password is None
        else serialization.PrivateFormat.PKCS8,
        encryption,
    )


def encrypted_key(pem: bytes, password: str) -> bytes:
    """Return the key of a PEM text, encrypted."""
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return _private(key, password.encode())


def fingerprint(pem: bytes, algorithm: str) -> str:
    """Return the digest of the first certificate of a PEM text."""
    text = pem.decode()
    begin = text.index("-----BEGIN CERTIFICATE")
    end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    der = ssl.PEM_cert_to_DER_cert(text[begin:end])
    return hashlib.new(algorithm, der).hexdigest()
