"""Create an API key for a client: prints the key, which is shown only once, and its line for the keys file.

The keys file (INKWELL_KEYS_FILE) contains only the key's digest, so a lost key cannot be recovered.
"""

import argparse
import hashlib
import secrets
import sys
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python only searches the folder of that script.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]

from inkwell.access.keys import INFER, load_keys  # noqa: E402
from inkwell.errors import SettingsError  # noqa: E402

PREFIX = "ink-"  # identifies the key to people and secret scanners
KEY_BYTES = 32
LIMITS = ("requests_per_minute", "tokens_per_minute")


def main() -> int:
    """Print a key and its line; return 2 for a name, scopes or limits that the service would refuse."""
    options = _parse_arguments()
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    limits = [f"{limit}={value}" for limit in LIMITS if (value := getattr(options, limit)) is not None]
    line = " ".join([options.name, hashlib.sha256(key.encode()).hexdigest(), options.scope, *limits])
    try:
        load_keys(None, line)
    except SettingsError:
        print("a name consists of letters, digits, dots and hyphens; see --help for scopes and limits", file=sys.stderr)
        return 2
    print(f"key, shown only once:    {key}")
    print(f"line for the keys file:  {line}")
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", help="client name; to rotate a key, keep the old and the new line under one name")
    parser.add_argument("--scope", default=INFER, help="infer, admin or metrics, comma-separated (%(default)s)")
    for limit in LIMITS:
        flag = "--" + limit.replace("_", "-")
        parser.add_argument(flag, type=int, metavar="N", help="overrides the setting for this key; 0 is unlimited")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
