"""Native CPU kernels: linear layers and attention in C++, in which every sum has one fixed order.

`make` compiles them (`build.py`), `library.py` loads them. Without them the rest of the engine computes with torch.
"""
