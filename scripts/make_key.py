"""Makes a key for a client: prints the key, which is shown this once, and the line for the file of keys.

The file (INKWELL_KEYS_FILE) holds the key's digest alone; whoever loses the key gets a new one.
"""

import argparse
import hashlib
import secrets
import sys
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Started as a file, Python only finds the folder of that file.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]

from inkwell.access.keys import INFER, load_keys  # noqa: E402
from inkwell.errors import SettingsError  # noqa: E402

PREFIX = "ink-"  # tells a key from other secrets, for people and for scanners
KEY_BYTES = 32
LIMITS = ("requests_per_minute", "tokens_per_minute")


def main() -> int:
    """Print a key and its line; 2 for a name or scopes that the service would refuse."""
    options = _parse_arguments()
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    limits = [f"{limit}={value}" for limit in LIMITS if (value := getattr(options, limit)) is not None]
    line = " ".join([options.name, hashlib.sha256(key.encode()).hexdigest(), options.scope, *limits])
    try:
        load_keys(None, line)
    except SettingsError:
        print("a name is letters, digits, dots and hyphens; see --help for scopes and limits", file=sys.stderr)
        return 2
    print(f"key, shown this once:  {key}")
    print(f"line for the file:     {line}")
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", help="of the client; two lines of one name are an old key and a new one")
    parser.add_argument("--scope", default=INFER, help="infer, admin, metrics or several with commas; infer if absent")
    for limit in LIMITS:
        flag = "--" + limit.replace("_", "-")
        parser.add_argument(flag, type=int, metavar="N", help="where it differs from the setting; 0 is no limit")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
