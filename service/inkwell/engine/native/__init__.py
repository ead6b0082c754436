"""Native kernels for the CPU: linear layers and attention in C++, with one order of summation for every sum.

`make` compiles them (`build.py`), `library.py` loads them. Everything above also runs without them, on torch's own.
"""
