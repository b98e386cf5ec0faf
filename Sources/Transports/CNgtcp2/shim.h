// Says to the build where the system keeps ngtcp2; what is used of it stands in CNgtcp2Shim.
