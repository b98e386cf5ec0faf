// libsodium, as the system installs it.
#include <sodium.h>
