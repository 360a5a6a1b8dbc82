"""What the tool computes, recorded: a change of structure leaves every bit of it as it was.

    python -m tests.goldens            compares with what was recorded, bit for bit
    python -m tests.goldens --record   records

Floating-point results depend on the processor and on torch's build, so bits are compared on the machine that recorded
them; the default suite compares counts, names and shapes exactly and losses up to rounding.
"""
