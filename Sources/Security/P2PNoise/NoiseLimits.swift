import P2PCore

/// The sizes that bound a Noise channel, in bytes unless said otherwise.
package enum NoiseLimits {
    /// The length prefix of a handshake message or record (libp2p noise spec, "Wire Format").
    package static let prefix = 2
    /// A handshake message or record without its prefix (Noise spec, section 3).
    package static let maximumMessage = 65_535
    /// The authentication tag at the end of a record.
    package static let tag = 16
    /// The plaintext of one record.
    package static let maximumPlaintext = maximumMessage - tag
    /// The app metadata that a side presents in its handshake payload.
    package static let maximumMetadata = ConnectionInfo.maximumAppMetadata
    /// Entries in a peer's list of muxers; a longer list is ignored whole, as if it were empty.
    package static let maximumMuxers = 100
    /// The last nonce that may be used; 2^64 - 1 is reserved (Noise spec, section 5.1).
    static let lastNonce = UInt64.max - 1
}
