"""Writes ulp.bin: arguments and correctly rounded results of transcendental functions.

    pip install mpmath==1.3.0 && python make.py

Per function and element type: the name's length and bytes, the type's code, the number of
arguments, the number of cases (u32), then the columns: each argument, and the result, as
little-endian elements. Results are computed with 2,300 bits and rounded once.
"""

import math
import random
import struct
import sys

import mpmath
from mpmath import mp, mpc, mpf

mp.prec = 2300
CASES = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1

# Code, significand bits with the hidden one, exponent bits, struct format, real type.
TYPES = {
    "f16": (0, 11, 5, "<H"),
    "bf16": (1, 8, 8, "<H"),
    "f32": (2, 24, 8, "<I"),
    "f64": (3, 53, 11, "<Q"),
    "c64": (4, 24, 8, "<I"),
    "c128": (5, 53, 11, "<Q"),
}


class Part:
    """A binary floating-point type."""

    def __init__(self, name):
        self.code, self.bits, self.exponent_bits, self.format = TYPES[name]
        self.bias = (1 << (self.exponent_bits - 1)) - 1
        self.least = 1 - self.bias - (self.bits - 1)

    def encode(self, x):
        """The nearest bit pattern, ties to even."""
        sign = 1 << (self.bits + self.exponent_bits - 1)
        infinity = ((1 << self.exponent_bits) - 1) << (self.bits - 1)
        if mpmath.isnan(x):
            return infinity | 1 << (self.bits - 2)
        negative = sign if x < 0 else 0
        x = abs(x)
        if mpmath.isinf(x):
            return negative | infinity
        if x == 0:
            return negative
        _, exponent = mpmath.frexp(x)
        unit = max(int(exponent) - self.bits, self.least)
        scaled = mpmath.ldexp(x, -unit)
        whole = int(mpmath.floor(scaled))
        rest = scaled - whole
        whole += rest > 0.5 or (rest == 0.5 and whole & 1)
        # The hidden bit counts one exponent.
        bits = whole + ((unit - self.least) << (self.bits - 1))
        return negative | min(bits, infinity)

    def decode(self, bits):
        sign = -1 if bits >> (self.bits + self.exponent_bits - 1) else 1
        exponent = bits >> (self.bits - 1) & ((1 << self.exponent_bits) - 1)
        mantissa = bits & ((1 << (self.bits - 1)) - 1)
        if exponent == (1 << self.exponent_bits) - 1:
            return mpf("nan") if mantissa else sign * mpf("inf")
        if exponent:
            mantissa |= 1 << (self.bits - 1)
        return sign * mpmath.ldexp(mpf(mantissa), max(exponent, 1) - 1 + self.least)

    def pack(self, bits):
        return struct.pack(self.format, bits)


def logistic(z):
    return 1 / (1 + mpmath.exp(-z))


def rsqrt(z):
    return 1 / mpmath.sqrt(z)


def cbrt(z):
    if isinstance(z, mpc) or z >= 0:
        return mpmath.power(z, mpf(1) / 3)
    return -mpmath.power(-z, mpf(1) / 3)


def atan2(y, x):
    if isinstance(x, mpc):
        return mpc(0, -1) * mpmath.log((x + mpc(0, 1) * y) / mpmath.sqrt(x * x + y * y))
    return mpmath.atan2(y, x)


# Function, greatest magnitude of arguments, points of interest.
PI = math.pi
UNARY = {
    "cbrt": (cbrt, math.inf, [1]),
    "cosine": (mpmath.cos, math.inf, [PI / 2, 3 * PI / 2, 100 * PI + PI / 2]),
    "exponential": (mpmath.exp, 2e3, [0, 88.7, 709, -88, -104, -708, -745]),
    "exponential_minus_one": (lambda z: mpmath.exp(z) - 1, 2e3, [0, 0.35, -0.35, -1]),
    "log": (mpmath.log, math.inf, [1, 0.5, 2]),
    "log_plus_one": (lambda z: mpmath.log(1 + z), math.inf, [0, -1, 1]),
    "logistic": (logistic, 2e3, [0, -88, -100, 20, -700]),
    "rsqrt": (rsqrt, math.inf, [1, 4]),
    "sine": (mpmath.sin, math.inf, [PI, 2 * PI, 100 * PI]),
    "sqrt": (mpmath.sqrt, math.inf, [1, 4]),
    "tan": (mpmath.tan, math.inf, [PI / 2, PI, 100 * PI]),
    "tanh": (mpmath.tanh, 2e3, [0, 0.5, 9, 20]),
}
BINARY = {"power": mpmath.power, "atan2": atan2, "divide": lambda a, b: a / b}
POSITIVE = {"log", "sqrt", "rsqrt"}


def element(rng, part, limit, points):
    """An element of interest; any exponent now and then."""
    kind = rng.random()
    if kind < 0.45:
        x = rng.gauss(0, 3)
    elif kind < 0.6 and points:
        x = rng.choice(points) * (1 + rng.choice([0, 1, -1]) * 2.0 ** -rng.randrange(1, 40))
        x += rng.choice([0, 1]) * 2.0 ** -rng.randrange(1, 60)
    elif kind < 0.9:
        x = rng.choice([-1, 1]) * 2.0 ** rng.uniform(-20, 10)
    else:
        while True:
            bits = rng.getrandbits(part.bits + part.exponent_bits)
            value = part.decode(bits)
            if mpmath.isfinite(value) and abs(value) <= limit:
                return bits
    x = max(-limit, min(limit, x))
    return part.encode(mpf(x))


def near_curve(rng, name):
    """Points where a part of the result nearly cancels."""
    angle = rng.uniform(-PI, PI)
    off = 2.0 ** -rng.randrange(2, 26)
    match name:
        case "log":
            return complex(math.cos(angle) * (1 + off), math.sin(angle))
        case "log_plus_one":
            y = 2.0 ** rng.uniform(-20, -0.2)
            return complex((math.sqrt(1 - y * y) - 1) * (1 + off), y)
        case "exponential_minus_one":
            y = 2.0 ** rng.uniform(-20, 0.5)
            return complex(-math.log(math.cos(y)) * (1 + off), y)
        case "tan":
            return complex(PI / 2 * (1 + off), off * rng.gauss(0, 1))
        case "tanh":
            return complex(off * rng.gauss(0, 1), PI / 2 * (1 + off))
        case "logistic":
            return complex(off * rng.gauss(0, 1), PI * (1 + off))
        case "sine" | "cosine":
            return complex(PI * (1 + off), rng.gauss(0, 30))
        case "exponential":
            return complex(rng.choice([88, 709.5, -745, -100, 1]), PI / 2 * (1 + off))
        case _:
            return complex(rng.gauss(0, 1), off)


def complex_element(rng, part, name, limit, points):
    if rng.random() < 0.25:
        z = near_curve(rng, name)
        return part.encode(mpf(z.real)), part.encode(mpf(z.imag))
    return element(rng, part, limit, points), element(rng, part, limit, points)


def unary_case(rng, name, type_name, part):
    function, limit, points = UNARY[name]
    if type_name[0] == "c":
        re, im = complex_element(rng, part, name, limit, points)
        z = mpc(part.decode(re), part.decode(im))
        # A cut's side would be the sign of a zero, which the reference does not have.
        if z.imag == 0 or z.real == 0:
            return None
        w = mpc(function(z))
        return [re, im], [part.encode(w.real), part.encode(w.imag)]
    bits = element(rng, part, limit, points)
    x = part.decode(bits)
    if name in POSITIVE:
        bits, x = part.encode(abs(x)), abs(x)
    if x == 0 or name == "log_plus_one" and x <= -1:
        return None
    return [bits], [part.encode(mpmath.re(function(x)))]


def binary_case(rng, name, type_name, part):
    function = BINARY[name]
    limit = 1e150 if type_name == "c128" else math.inf
    if type_name[0] == "c":
        parts = [element(rng, part, limit, [1, 2, 0.5]) for _ in range(4)]
        a, b = mpc(*map(part.decode, parts[:2])), mpc(*map(part.decode, parts[2:]))
        if 0 in (a.real, a.imag, b.real, b.imag):
            return None
        if name == "power" and abs(b * mpmath.log(a)) > 700:
            return None
        w = mpc(function(a, b))
        # A power's parts are those of an angle, which has no exact zeros.
        if name == "power" and min(abs(w.real), abs(w.imag)) < abs(w) * 2.0**-45:
            return None
        return parts, [part.encode(w.real), part.encode(w.imag)]
    bits = [element(rng, part, limit, [1, 2, 0.5]) for _ in range(2)]
    a, b = map(part.decode, bits)
    if name == "power":
        bits[0], a = part.encode(abs(a)), abs(a)
        if a == 0 or b == 0 or abs(b * mpmath.log(a)) > 2000:
            return None
    if a == 0 or b == 0:
        return None
    return bits, [part.encode(mpmath.re(function(a, b)))]


def block(name, type_name, case):
    part = Part(type_name)
    rng = random.Random(f"{name} {type_name} {SEED}")
    columns = None
    count = 0
    while count < CASES:
        made = case(rng, name, type_name, part)
        if made is None:
            continue
        words = made[0] + made[1]
        columns = columns or [[] for _ in words]
        for column, word in zip(columns, words):
            column.append(word)
        count += 1
    text = name.encode()
    out = struct.pack("<B", len(text)) + text
    arity = 1 if case is unary_case else 2
    out += struct.pack("<BBI", part.code, arity, CASES)
    width = 2 if type_name[0] == "c" else 1
    for start in range(0, len(columns), width):
        for i in range(CASES):
            for column in columns[start : start + width]:
                out += part.pack(column[i])
    return out


def main():
    data = b""
    for type_name in TYPES:
        for name in UNARY:
            data += block(name, type_name, unary_case)
        for name in BINARY:
            data += block(name, type_name, binary_case)
        print(type_name, len(data), file=sys.stderr)
    with open("ulp.bin", "wb") as file:
        file.write(data)


main()
