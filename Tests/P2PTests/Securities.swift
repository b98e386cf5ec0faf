import P2P
import P2PPipeline

/// The secure channels that carry what hosts agree on within handshakes.
let securities: [any SecureChannelModule] = TLS.isBuiltIn ? [Noise(), TLS()] : [Noise()]
