import P2P

/// The secure channels that carry what hosts agree on within handshakes.
let securities: [any SecureChannelModule] = [Noise(), TLS()]
