"""Certificates as plain data: `certificate`, `certificate_text`, `write_certificate`."""

from __future__ import annotations

from equilibria.certificates.producer import certificate, certificate_text, write_certificate

__all__ = ["certificate", "certificate_text", "write_certificate"]
