// c-ares, as the system installs it.
#include <ares.h>
