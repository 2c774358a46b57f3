// The architecture does not let the engine see the store. This must not compile with what the engine may include.
#include "engine/engine.hpp"
#include "store/journal.hpp"
