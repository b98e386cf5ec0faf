import NIOCore

/// The sizes and times that bound a TLS channel; sizes in bytes.
package enum TLSLimits {
    /// What a dialer may send until its ClientHello is complete.
    package static let maximumClientHello = 16_384
    /// What a peer may send until its handshake is done: a ClientHello, the largest certificate that is looked at, and the rest.
    package static let maximumHandshake = 40_960
    /// The plaintext that a muxer hands over at once: four records of TLS.
    static let maximumPayload = 65_536
    /// How long a peer has to answer our close_notify before the channel is closed under it.
    static let shutdownTimeout = TimeAmount.seconds(1)
}
