"""How a number that stands in a config as text should be written: YAML 1.1 has its own ideas of numbers.

1e4 and 1.0e4 are text there (it wants a point and a signed exponent), 010 is octal, 1:30 is to the base of 60.
"""

from __future__ import annotations

import re
import unicodedata

_QUOTED = re.compile(r"[-+]?(0|[1-9][0-9]*|[0-9]+\.[0-9]*|[0-9]+\.[0-9]*[eE][-+][0-9]+)")  # a number but for its quotes
_DECIMAL = re.compile(r"([-+]?)([0-9]*)(\.[0-9]*)?(?:[eE]([-+]?)([0-9]+))?")
_THOUSANDS = re.compile(r"[-+]?[0-9]{1,3}([ ,_'][0-9]{3})+")


def as_number(text: str) -> str:
    """The remedy for a text where a number stands."""
    plain = "".join(str(unicodedata.decimal(each, each)) for each in text.strip())  # digits of any script
    if _QUOTED.fullmatch(text):
        return f"write {text} without quotes"
    if re.fullmatch(r"[-+]?0[0-7]+", plain):
        return f"write {_decimal(plain)}, since YAML takes a 0 in front for an octal number"
    if re.fullmatch(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?", plain):
        return "write one number, since YAML takes colons for the base of 60"
    if _THOUSANDS.fullmatch(plain):
        return f"write {_decimal(re.sub('[ ,_]', '', plain.replace(chr(39), '')))}"
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", plain):
        return f"write {_decimal(plain.replace(',', '.'))}, with a point"
    if (percent := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *%", plain)) and len(plain) < 12:
        return f"write {float(percent[1]) / 100:g}"
    if not re.match(r"[-+]?\.?[0-9]", plain) or not _DECIMAL.fullmatch(plain) or len(plain) > 40:
        return "write a number"
    if not 1e-30 <= abs(float(plain) or 1) <= 1e30:
        return "write a number, and check its exponent"
    return f"write {_decimal(plain)}" + (f", since YAML takes {text} for text" if plain == text else "")


def _decimal(text: str) -> str:
    """A number in decimal digits, as YAML 1.1 reads it."""
    parts = _DECIMAL.fullmatch(text)
    sign, whole, point, power_sign, power = parts.groups() if parts else ("", text, "", "", None)
    exponent = "" if power is None else f"e{power_sign or '+'}{power}"
    fraction = point or (".0" if exponent else "")
    return f"{sign}{whole.lstrip('0') or '0'}{fraction}{exponent}"
