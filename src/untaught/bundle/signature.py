"""Ed25519 over SHA256SUMS: who exported the file. Needs the package `cryptography`, and only for signed files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from untaught.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The private key of a PEM file without password.

    Raises:
        ConfigError: it cannot be read or is no ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = _load(path, lambda data: load_pem_private_key(data, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} holds another kind of key", "a private ed25519 key in PEM", MAKE)
    return key


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public half of a private key, hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


def read_public_key(path: Path) -> str:
    """The public key of a PEM file, hexadecimal.

    Raises:
        ConfigError: it cannot be read or is no ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = _load(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} holds another kind of key", "a public ed25519 key in PEM", MAKE)
    return key.public_bytes_raw().hex()


MAKE = "`openssl genpkey -algorithm ed25519 -out key.pem`, then `openssl pkey -in key.pem -pubout -out public.pem`"


def _load(path: Path, parse: Any) -> Any:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "an ed25519 key in PEM", MAKE) from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} is no key that can be used ({error})", "an ed25519 key in PEM", MAKE) from None


def check_signature(signature: bytes, signed: bytes, public_key: str, source: str) -> None:
    """Raise where the signature is not that of `public_key` (hexadecimal) over `signed`.

    Raises:
        BundleError: the signature is another's or was made for another file.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise BundleError(
            f"{source} carries a signature that does not fit", "the signature of its key", "get the file anew"
        ) from None
