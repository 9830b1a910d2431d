"""Masks what looks like a secret in the arguments of a command.

Command lines are no place for secrets, as every user of a machine can read them; yet they are there. What is masked is
replaced by ``***``, so that one sees that something was there. This finds what is usual, not everything: whoever must
be sure turns command lines off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "***"

# Words in the name of an option or variable that say its value is a secret. They count as whole words between - _ . or
# changes of case: --password, DB_PASSWORD, dbPassword, but neither --passive nor --keyboard.
_WORDS = (
    "password", "passwd", "passphrase", "passcode", "pass", "pwd", "pw", "secret", "secrets", "token", "tokens",
    "credential", "credentials", "creds", "cred", "auth", "authorization", "bearer", "cookie", "apikey", "accesskey",
    "secretkey", "privatekey", "jwt", "otp", "pin", "salt", "signature", "sas", "userpass", "requirepass", "masterauth",
    "storepass", "keypass",
)
# Long enough to count at the end of a word as well: PGPASSWORD, authtoken.
_ENDS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey")
# "key" alone is a secret only beside such a word: --api-key is one, --sort-key is not.
_KEYS = ("api", "access", "secret", "private", "signing", "encryption", "encrypt", "master", "account", "service",
         "shared", "session", "auth", "client", "app", "aws", "license")
# An option of that name takes a file or a switch, not the secret itself.
_HARMLESS = ("file", "path", "dir", "url", "uri", "name", "id", "type", "method", "ttl", "length", "len", "policy",
             "stdin", "prompt", "env", "expiry", "expiration", "timeout", "mode", "provider", "plugin", "size", "hash")

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ASSIGNED = re.compile(r"(?P<name>(?:-{1,2}|/)?[A-Za-z][\w.\-]*)(?P<sign>[=:])(?P<value>.+)", re.DOTALL)
_OPTION = re.compile(r"(?:--?)[A-Za-z][\w.\-]*")
# Programs whose one-letter options are passwords: (program, option), the value in the same word or in the next.
_SHORT = {
    "mysql": "-p", "mysqldump": "-p", "mysqladmin": "-p", "mariadb": "-p", "mariadb-dump": "-p", "sshpass": "-p",
    "redis-cli": "-a", "curl": "-u", "mongo": "-p", "mongosh": "-p", "mongodump": "-p", "ldapsearch": "-w",
    "sqlcmd": "-P", "smbclient": "-U", "htpasswd": "-b",
}
_JOINED_ONLY = frozenset(("mysql", "mysqldump", "mysqladmin", "mariadb", "mariadb-dump"))  # -p WORD is no password

# Secrets that show themselves, wherever in an argument they stand.
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = tuple((re.compile(row, flags), into) for row, flags, into in (
    (r"(?P<before>\b[A-Za-z][A-Za-z0-9+.\-]*://[^\s/:@]*:)[^\s/@]+(?=@)", 0, rf"\g<before>{MASK}"),  # scheme://user:…@
    (r"(?P<before>\b[A-Za-z][A-Za-z0-9+.\-]*://)[^\s/:@]{20,}(?=@)", 0, rf"\g<before>{MASK}"),  # scheme://token@
    (r"(?P<before>[?&;](?:[\w.\-]*(?:password|passwd|secret|token|api_?key|access_?key|sig|signature|auth|credential))=)"
     r"[^&\s'\"#;]+", re.I, rf"\g<before>{MASK}"),
    (r"(?P<before>\bauthorization\s*[:=]\s*['\"]?(?:basic|bearer|digest|token|negotiate|apikey)?\s*)[^\s'\"]+", re.I,
     rf"\g<before>{MASK}"),
    (r"(?P<before>\b(?:bearer|basic)\s+)[A-Za-z0-9+/_\-.=]{8,}", re.I, rf"\g<before>{MASK}"),
    (r"(?P<before>\bx-(?:api-key|auth-token|vault-token|amz-security-token)\s*:\s*)\S+", re.I, rf"\g<before>{MASK}"),
    (r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", 0, MASK),  # AWS access key ids
    (r"\bgh[pousr]_[A-Za-z0-9]{20,}", 0, MASK),  # GitHub
    (r"\bgithub_pat_[A-Za-z0-9_]{20,}", 0, MASK),
    (r"\bglpat-[A-Za-z0-9_\-]{16,}", 0, MASK),  # GitLab
    (r"\bxox[abeprs]-[A-Za-z0-9\-]{10,}", 0, MASK),  # Slack
    (r"\b[srp]k_(?:live|test)_[A-Za-z0-9]{10,}", 0, MASK),  # Stripe
    (r"\bsk-[A-Za-z0-9_\-]{20,}", 0, MASK),
    (r"\bAIza[A-Za-z0-9_\-]{30,}", 0, MASK),  # Google
    (r"\bhv[sbr]\.[A-Za-z0-9_\-]{20,}", 0, MASK),  # Vault
    (r"\bnpm_[A-Za-z0-9]{30,}", 0, MASK),
    (r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*", 0, MASK),  # JSON Web Tokens
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL, MASK),
))
# Within longer arguments, as of sh -c: name=value and name: value, the value up to a blank or a quote.
_WITHIN = re.compile(
    r"(?P<name>[A-Za-z][\w.\-]*)(?P<sign>\s*[=:]\s*|\\?\"\s*:\s*\\?\")"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s'\"&;,|)}\\]+)"
)
_WITHIN_OPTION = re.compile(
    r"(?P<name>(?<!\S)--?[A-Za-z][\w.\-]*)(?P<gap>\s+)(?P<value>\"[^\"]*\"|'[^']*'|[^\s'\"\-]\S*)"
)


def masked(arguments: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """The arguments of a command with secrets masked, and in how many of them there were some."""
    program = _program(arguments)
    found = []
    hidden = 0
    next_is_secret = False
    for number, argument in enumerate(arguments):
        if number == 0 and not _is_title(arguments):
            said = argument
        elif next_is_secret and not _OPTION.fullmatch(argument) and argument:
            said = MASK
        else:
            said = _argument(argument, program)
        next_is_secret = number > 0 and _names_secret_next(argument, program)
        hidden += said != argument
        found.append(said)
    return tuple(found), hidden


def _program(arguments: Sequence[str]) -> str:
    return arguments[0].rpartition("/")[2] if arguments else ""


def _is_title(arguments: Sequence[str]) -> bool:
    """A program that has put its own title in place of its arguments: all is in the first."""
    return len(arguments) == 1 and " " in arguments[0]


def _argument(argument: str, program: str) -> str:
    short = _SHORT.get(program)
    if short and argument.startswith(short) and not argument.startswith("--") and len(argument) > len(short):
        return short + MASK
    assigned = _ASSIGNED.fullmatch(argument)
    if assigned and is_secret(assigned["name"]) and not _is_reference(assigned["value"]):
        return f"{assigned['name']}{assigned['sign']}{MASK}"
    said = argument
    for shape, into in _SHAPES:
        said = shape.sub(into, said)
    if "=" in said or ":" in said:
        said = _WITHIN.sub(_within, said)
    if " " in said:
        said = _WITHIN_OPTION.sub(_within_option, said)
    return said


def _within(match: re.Match[str]) -> str:
    value = match["value"]
    if not is_secret(match["name"]) or _is_reference(value) or value == MASK:
        return match[0]
    quote = value[0] if value[0] in "'\"" else ""
    return f"{match['name']}{match['sign']}{quote}{MASK}{quote}"


def _within_option(match: re.Match[str]) -> str:
    if not is_secret(match["name"]) or _is_reference(match["value"]):
        return match[0]
    return f"{match['name']}{match['gap']}{MASK}"


def _names_secret_next(argument: str, program: str) -> bool:
    if _SHORT.get(program) == argument and program not in _JOINED_ONLY:
        return True
    return bool(_OPTION.fullmatch(argument)) and is_secret(argument)


def _is_reference(value: str) -> bool:
    """A variable that a shell or a program fills in later: ``$PASSWORD``, ``${PASSWORD}``, ``%(password)s``."""
    return bool(re.fullmatch(r"\$\w+|\$\{[^}]*\}|\$\([^)]*\)|%\(\w+\)s|\{\{[^}]*\}\}", value.strip("'\"")))


def is_secret(name: str) -> bool:
    """Whether a value of that name is a secret: ``--db-password``, ``AWS_SECRET_ACCESS_KEY``, ``apiKey``."""
    parts = [part.lower() for part in _PART.findall(name)]
    if not parts or parts[-1] in _HARMLESS:
        return False
    if any(part in _WORDS or part.endswith(_ENDS) for part in parts):
        return not (parts[0] in ("no", "enable", "disable", "use", "require") and len(parts) > 1)
    return any(part in ("key", "keys") and set(parts[:at]) & set(_KEYS) for at, part in enumerate(parts))
