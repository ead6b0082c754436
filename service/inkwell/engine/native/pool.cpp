// The threads as seen from Python: opened once a process, handed to every kernel.
#include "pool.hpp"

extern "C" Pool *inkwell_open(int threads) { return new Pool(threads); }

extern "C" void inkwell_close(Pool *pool) { delete pool; }
