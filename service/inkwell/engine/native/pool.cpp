// The interface of the thread pool for Python: opened once per process, passed to every kernel.
#include "pool.hpp"

extern "C" Pool *inkwell_open_pool(int threads) { return new Pool(threads); }

extern "C" void inkwell_close_pool(Pool *pool) { delete pool; }
